update app.jobs set deleting_at = clock_timestamp(), keeps_outputs = %(keeps)s where job_id = %(job_id)s
