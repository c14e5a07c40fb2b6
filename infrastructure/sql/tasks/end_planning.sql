update app.tasks
set status = 'completed', session = null, deadline = null, error = null, finished_at = clock_timestamp()
where run_id = %(run_id)s and stage = %(stage)s and idx = -1 and attempt = %(attempt)s and status = 'processing'
