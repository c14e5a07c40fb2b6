update app.jobs set deleting_at = clock_timestamp() where job_id = %(job_id)s
