select run_id, job_id, job_type, number, status, plan, parameters, parameters_ref, priority, request
from app.runs
where run_id = %(run_id)s
