with due as (
    select run_id, stage, idx from app.tasks
    where queue = %(queue)s and status = 'queued'
    order by priority desc, run_id, stage, idx
    limit %(limit)s
    for update skip locked
)
update app.tasks t
set status = 'processing', attempt = t.attempt + 1, session = %(session)s, started_at = clock_timestamp(),
    deadline = clock_timestamp() + s.timeout, progress = null, note = null
from due d
join app.stages s on s.run_id = d.run_id and s.stage = d.stage
where t.run_id = d.run_id and t.stage = d.stage and t.idx = d.idx
returning t.run_id, t.stage, t.idx, t.attempt, t.failures, t.queue, t.arguments, t.arguments_ref
