select number as run, status, created_at, started_at, finished_at, error ->> 'message' as error
from app.runs
where job_id = %(job_id)s
order by number desc
