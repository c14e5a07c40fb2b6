delete from app.runs where job_id = %(job_id)s
