select stage, status, total, verdict from app.stages where run_id = %(run_id)s
