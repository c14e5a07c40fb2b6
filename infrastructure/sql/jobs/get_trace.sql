select trace from app.runs where run_id = %(run_id)s
