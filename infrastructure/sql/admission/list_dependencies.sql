select on_job from app.dependencies where run_id = %(run_id)s
