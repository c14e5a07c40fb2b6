-- How the attempt before this one ended, while this one runs.
select error from app.tasks
where run_id = %(run_id)s and stage = %(stage)s and idx = %(idx)s and attempt = %(attempt)s and status = 'processing'
