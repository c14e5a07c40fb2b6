-- Waiting runs of which a dependency did not end well, each once. One look for each run that waits, whatever has ended.
with asked as (
    select run_id from app.runs where run_id = %(run)s and not admitted and finished_at is null
    union
    select w.run_id from app.dependencies d
    join app.runs w on w.run_id = d.run_id and not w.admitted and w.finished_at is null
    where d.on_run = %(ended)s
    union
    select run_id from app.runs where %(everything)s and not admitted and finished_at is null
)
select asked.run_id, doom.on_job, doom.status
from asked
cross join lateral (
    select d.on_job, coalesce(o.status, 'deleted') as status
    from app.dependencies d
    left join app.runs o on o.run_id = d.on_run
    where d.run_id = asked.run_id and d.needs_success
      and (o.run_id is null or (o.finished_at is not null and o.status not in ('completed', 'completed_with_errors')))
    order by d.on_run
    limit 1
) doom
order by asked.run_id
limit %(limit)s
