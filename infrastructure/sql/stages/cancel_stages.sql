update app.stages
set status = 'cancelled', closed_at = clock_timestamp()
where run_id = %(run_id)s and status in ('expanding', 'open')
