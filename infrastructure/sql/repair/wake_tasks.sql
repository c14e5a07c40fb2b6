-- Waiting tasks whose time has come.
with due as (
    select run_id, stage, idx from app.tasks
    where status = 'waiting' and run_at <= clock_timestamp()
    order by run_at
    limit %(chunk)s
    for update skip locked
)
update app.tasks t
set status = 'queued', run_at = null, published_at = case when %(published)s then clock_timestamp() end
from due d
where t.run_id = d.run_id and t.stage = d.stage and t.idx = d.idx
returning t.run_id, t.stage, t.idx, t.attempt, t.queue
