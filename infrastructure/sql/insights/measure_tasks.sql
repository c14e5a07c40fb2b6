-- Every part reads an index that knows its status alone, so finished tasks cost nothing.
with open as (
    select 'due' as state, queue, run_id, stage, count(*) as tasks
    from app.tasks where status = 'queued' group by queue, run_id, stage
    union all
    select 'later', queue, run_id, stage, count(*)
    from app.tasks where status = 'waiting' and run_at < 'infinity' group by queue, run_id, stage
    union all
    select 'processing', queue, run_id, stage, count(*)
    from app.tasks where status = 'processing' group by queue, run_id, stage
)
select o.state, o.queue, r.job_type, sum(o.tasks)::bigint as tasks,
       extract(epoch from clock_timestamp() - min(s.opened_at) filter (where o.state = 'due'))::float8 as oldest_seconds
from open o
join app.runs r on r.run_id = o.run_id
left join app.stages s on s.run_id = o.run_id and s.stage = o.stage
group by o.state, o.queue, r.job_type
order by o.state, o.queue, r.job_type
