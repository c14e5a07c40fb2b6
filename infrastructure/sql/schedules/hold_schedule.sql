-- Held until commit: whoever changes a schedule, or decides its ticks, is alone with it.
select schedule_id, name, job_type, parameters, cron, zone, overlap, catch_up, backlog, owner, decided, created_at, created_by,
       changed_at, changed_by, paused_at, paused_by, last_job, clock_timestamp()
from app.schedules
where name collate "C" = %(name)s and deleted_at is null
for update
