-- Many at once, but a task that was lost in company is claimed alone: if it kills again, it was the one.
-- The stage's timeout is asked for, not joined, so that no plan reaches the tasks but by their whole primary key.
with due as (
    select run_id, stage, idx, priority, lost from app.tasks
    where queue = %(queue)s and status = 'queued'
    order by priority desc, run_id, stage, idx
    limit %(limit)s
    for update skip locked
),
placed as (
    select *, row_number() over w as place, first_value(lost) over w as first_lost
    from due
    window w as (order by priority desc, run_id, stage, idx)
),
chosen as (
    select run_id, stage, idx, count(*) over () = 1 as alone
    from placed
    where case when first_lost > 0 then place = 1 else lost = 0 end
)
update app.tasks t
set status = 'processing', attempt = t.attempt + 1, session = %(session)s, started_at = clock_timestamp(),
    deadline = clock_timestamp() + (select timeout from app.stages s where s.run_id = t.run_id and s.stage = t.stage),
    alone = d.alone, progress = null, note = null
from chosen d
where t.run_id = d.run_id and t.stage = d.stage and t.idx = d.idx
returning t.run_id, t.stage, t.idx, t.attempt, t.failures, t.queue, t.arguments, t.arguments_ref
