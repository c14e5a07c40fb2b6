select run_id from app.runs where run_id = any(%(runs)s)
