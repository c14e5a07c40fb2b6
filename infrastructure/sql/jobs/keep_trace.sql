update app.runs set trace = %(trace)s where run_id = %(run_id)s
