select name, version, job_type, parameters, description, created_at, created_by
from app.templates
where name = %(name)s and deleted_at is null and (%(version)s::integer is null or version = %(version)s)
order by version desc
limit 1
