update app.runs set status = %(status)s where run_id = %(run_id)s
