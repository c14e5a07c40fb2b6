select distinct on (name collate "C") name, version, job_type, parameters, description, created_at, created_by
from app.templates
where deleted_at is null and name collate "C" > %(after)s
order by name collate "C", version desc
limit %(limit)s
