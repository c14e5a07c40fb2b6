select idx, result, result_ref from app.tasks
where run_id = %(run_id)s and stage = %(stage)s and idx > %(after)s and idx >= 0 and status = 'completed'
order by idx
limit %(limit)s
