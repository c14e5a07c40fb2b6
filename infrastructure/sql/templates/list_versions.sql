select name, version, job_type, parameters, description, created_at, created_by
from app.templates
where name = %(name)s and deleted_at is null and (%(before)s::integer is null or version < %(before)s)
order by version desc
limit %(limit)s
