select idx, coalesce(error ->> 'message', status) as message from app.tasks
where run_id = %(run_id)s and stage = %(stage)s and idx >= 0 and status in ('failed', 'cancelled')
order by idx
