-- The list of what was submitted together; the jobs stay. A batch of which a job has not ended stays too.
-- A round removes some ten thousand members, or one batch of any size.
with old as (
    select b.batch_id, b.total from app.batches b
    where b.created_at < clock_timestamp() - %(older)s::interval
      and not exists (
          select from app.batch_jobs m
          left join app.jobs j on j.job_id = m.job_id
          left join app.runs r on r.run_id = j.run_id
          where m.batch_id = b.batch_id and (m.outcome = 'due' or (r.run_id is not null and r.finished_at is null))
      )
    order by b.batch_id
    limit %(limit)s
),
first as (
    select batch_id from (
        select batch_id, sum(total) over (order by batch_id) - total as before from old
    ) counted
    where before < 10 * %(limit)s
),
members as (
    delete from app.batch_jobs where batch_id in (select batch_id from first)
)
delete from app.batches where batch_id in (select batch_id from first)
