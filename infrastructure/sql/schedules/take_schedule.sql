-- Several schedulers may run; a schedule that another one has in hand is passed over.
select schedule_id, name, job_type, parameters, cron, zone, overlap, catch_up, backlog, owner, decided, created_at, created_by,
       changed_at, changed_by, paused_at, paused_by, last_job, clock_timestamp()
from app.schedules
where schedule_id = %(schedule_id)s and deleted_at is null and paused_at is null
for update skip locked
