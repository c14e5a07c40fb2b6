select status from app.tasks where run_id = %(run_id)s and stage = %(stage)s and idx = %(idx)s
