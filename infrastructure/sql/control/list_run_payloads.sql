select run_id, parameters, parameters_ref, result, result_ref from app.runs where job_id = %(job_id)s order by run_id
