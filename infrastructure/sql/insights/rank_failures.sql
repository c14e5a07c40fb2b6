-- The offsets keep the planner from reading all runs and stages for a few. Messages that differ in nothing but their numbers are one reason.
with failed as (
    select run_id, stage, finished_at, error ->> 'type' as error,
           regexp_replace(left(error ->> 'message', 200), '[0-9]+', '…', 'g') as message
    from app.tasks
    where status = 'failed' and finished_at > now() - make_interval(secs => %(seconds)s)
    order by finished_at desc
    limit %(limit)s
)
select r.job_type, s.name as stage, f.error, f.message, count(*) as tasks, count(distinct f.run_id) as jobs,
       max(f.finished_at) as last, (array_agg(r.job_id order by f.finished_at desc))[1] as job_id
from failed f
cross join lateral (select run.job_type, run.job_id from app.runs run where run.run_id = f.run_id offset 0) r
cross join lateral (select at.name from app.stages at where at.run_id = f.run_id and at.stage = f.stage offset 0) s
group by r.job_type, s.name, f.error, f.message
order by tasks desc, last desc
limit 20
