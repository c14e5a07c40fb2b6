update app.stages s set error = %(error)s::jsonb
where s.run_id = %(run_id)s and s.stage = %(stage)s and s.status in ('expanding', 'open')
  and s.deadline < clock_timestamp() and s.error is null
  and exists (select from app.runs r where r.run_id = s.run_id and r.finished_at is null and r.status <> 'paused')
