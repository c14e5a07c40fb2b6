-- The newest jobs of each of some statuses. Asked for as a range and in the index's own order, each status is looked up there;
-- told that they are equal, the planner would walk all runs backwards in search of a status that is rare.
select r.run_id as id, r.job_id, r.job_type, r.number as run, r.status,
       not r.admitted and r.finished_at is null as waiting, r.created_at, r.started_at, r.finished_at,
       case when pg_column_size(r.parameters) <= 2048 then r.parameters end as parameters,
       r.error ->> 'message' as error,
       jsonb_array_length(r.plan) as stages_total,
       (select count(*) from app.stages s where s.run_id = r.run_id and s.status = 'closed') as stages_closed
from unnest(%(statuses)s::text[]) as wanted (status)
cross join lateral (
    select run.*
    from app.runs run
    cross join lateral (
        select from app.jobs j where j.job_id = run.job_id and j.run_id = run.run_id offset 0
    ) current_one
    where run.status >= wanted.status and run.status <= wanted.status
    order by run.status, run.run_id desc
    limit %(limit)s
) r
order by r.run_id desc
