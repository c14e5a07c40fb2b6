select count(*) from (
    select from app.batches b
    where b.created_at < clock_timestamp() - %(older)s::interval
      and not exists (
          select from app.batch_jobs m
          left join app.jobs j on j.job_id = m.job_id
          left join app.runs r on r.run_id = j.run_id
          where m.batch_id = b.batch_id and (m.outcome = 'due' or (r.run_id is not null and r.finished_at is null))
      )
    limit %(limit)s
) old
