-- Two stages that close side by side follow each other here, so the second one sees the first.
select run_id, job_id, job_type, number, status, plan, parameters, parameters_ref, priority, request
from app.runs
where run_id = %(run_id)s
for update
