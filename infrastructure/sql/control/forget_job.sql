-- Last, and only when nothing is left that would belong to nobody.
delete from app.jobs j
where j.job_id = %(job_id)s and j.deleting_at is not null
  and not exists (select from app.events e where e.job_id = j.job_id)
  and not exists (select from app.runs r join app.tasks t using (run_id) where r.job_id = j.job_id)
