select value, value_ref from app.checkpoints
where run_id = %(run_id)s and stage = %(stage)s and idx = %(idx)s and name = %(name)s
