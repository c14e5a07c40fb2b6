select id, queue, message_id, body, reason, at from app.quarantine
where %(before)s::bigint is null or id < %(before)s
order by id desc
limit %(limit)s
