update app.tasks t
set status = case when %(approved)s then 'completed' else 'failed' end,
    attempt = attempt + 1,
    run_at = null,
    finished_at = clock_timestamp(),
    result = case when %(approved)s then %(decision)s::jsonb end,
    error = case when not %(approved)s then %(error)s::jsonb end
where run_id = %(run_id)s and stage = %(stage)s and idx = %(idx)s and status = 'waiting' and run_at = 'infinity'
  and exists (select from app.stages s where s.run_id = t.run_id and s.stage = t.stage and s.status = 'open')
