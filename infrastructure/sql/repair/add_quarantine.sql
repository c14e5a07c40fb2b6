insert into app.quarantine (queue, message_id, body, reason) values (%(queue)s, %(message_id)s, %(body)s, %(reason)s)
