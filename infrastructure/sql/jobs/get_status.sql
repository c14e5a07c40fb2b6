select r.status from app.jobs j join app.runs r on r.run_id = j.run_id where j.job_id = %(job_id)s
