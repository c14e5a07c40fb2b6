select schedule_id, name, job_type, parameters, cron, zone, overlap, catch_up, backlog, owner, decided, created_at, created_by,
       changed_at, changed_by, paused_at, paused_by, last_job
from app.schedules
where deleted_at is null and name collate "C" > %(after)s and (%(job_type)s::text is null or job_type = %(job_type)s)
order by name collate "C"
limit %(limit)s
