update app.runs r set swept = true
where r.run_id = %(run_id)s and r.finished_at is not null
  and not exists (
      select from app.tasks t where t.run_id = r.run_id and t.status in ('queued', 'processing', 'waiting')
  )
