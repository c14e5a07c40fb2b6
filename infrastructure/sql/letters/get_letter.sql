select id, queue, message_id, body, reason, at from app.quarantine where id = %(id)s
