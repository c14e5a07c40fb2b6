delete from app.limits where job_type = %(job_type)s
