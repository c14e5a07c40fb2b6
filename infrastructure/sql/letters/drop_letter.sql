delete from app.quarantine where id = %(id)s
