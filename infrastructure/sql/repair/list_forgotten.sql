select s.run_id, s.stage from app.stages s
where s.status in ('expanding', 'open')
  and not exists (
      select from app.tasks t
      where t.run_id = s.run_id and t.stage = s.stage and t.status in ('queued', 'processing', 'waiting')
  )
order by s.run_id, s.stage
limit %(limit)s
