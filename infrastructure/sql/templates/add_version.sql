-- Numbers go on where a deleted template ended: a version is never another one's.
insert into app.templates (name, version, job_type, parameters, description, created_by)
select %(name)s, coalesce(max(version), 0) + 1, %(job_type)s, %(parameters)s::jsonb, %(description)s, %(by)s
from app.templates
where name = %(name)s
returning name, version, job_type, parameters, description, created_at, created_by
