-- Jobs that have not ended; those that have are counted when they do.
select s.status, (select count(*) from app.runs r where r.status = s.status) as jobs
from unnest(array['queued', 'processing', 'paused']) as s (status)
