update app.stages
set status = 'closed', verdict = %(verdict)s, closed_at = clock_timestamp(),
    completed = %(completed)s, failed = %(failed)s, cancelled = %(cancelled)s, skipped = %(skipped)s
where run_id = %(run_id)s and stage = %(stage)s and status in ('expanding', 'open')
