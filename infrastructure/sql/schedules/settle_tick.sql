update app.schedule_ticks
set outcome = %(outcome)s, reason = %(reason)s, job_id = %(job_id)s, run = %(run)s, at = clock_timestamp()
where schedule_id = %(schedule_id)s and tick = %(tick)s and manual = %(manual)s
