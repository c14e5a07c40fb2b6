delete from app.stages where run_id in (select run_id from app.runs where job_id = %(job_id)s)
