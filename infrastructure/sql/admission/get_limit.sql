select max_running, rate_count, rate_seconds from app.limits where job_type = %(job_type)s
