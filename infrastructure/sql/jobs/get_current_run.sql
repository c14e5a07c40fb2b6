select r.run_id, r.job_id, r.job_type, r.number, r.status, r.plan, r.parameters, r.parameters_ref, r.priority, r.request,
       j.deleting_at is not null as deleting
from app.jobs j
join app.runs r on r.run_id = j.run_id
where j.job_id = %(job_id)s
