select run_id, stage, idx, attempt from app.tasks where session = %(session)s and status = 'processing'
