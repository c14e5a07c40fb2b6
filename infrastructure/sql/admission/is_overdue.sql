select deadline < clock_timestamp() and finished_at is null and status <> 'paused' from app.runs where run_id = %(run_id)s
