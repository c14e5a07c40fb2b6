select key_id as id, name, role, job_types, created_by, created_at, expires_at, revoked_at, last_used_at
from app.keys
where (%(after)s::text is null or number < (select k.number from app.keys k where k.key_id = %(after)s))
order by number desc
limit %(limit)s
