-- What the job's runs waited for. Who waited for them learns that they are gone.
delete from app.dependencies where run_id in (select run_id from app.runs where job_id = %(job_id)s)
