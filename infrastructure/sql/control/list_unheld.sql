select r.run_id from app.runs r
where r.status = 'paused'
  and exists (select from app.tasks t where t.run_id = r.run_id and t.status = 'queued')
order by r.run_id
limit %(limit)s
