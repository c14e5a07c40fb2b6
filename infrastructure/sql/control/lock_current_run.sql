-- The job's lock is held: no other run begins. The run's row is locked like in a close, so one of the two comes first.
select r.run_id, r.job_id, r.job_type, r.number, r.status, r.plan, r.parameters, r.parameters_ref, r.priority, r.request,
       r.started_at is not null as started, j.deleting_at is not null as deleting
from app.jobs j
join app.runs r on r.run_id = j.run_id
where j.job_id = %(job_id)s
for update of r
