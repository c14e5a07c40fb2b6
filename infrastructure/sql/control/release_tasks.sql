with aside as (
    select run_id, stage, idx from app.tasks
    where run_id = %(run_id)s and status = 'waiting' and run_at is null
      and exists (select from app.runs r where r.run_id = %(run_id)s and r.status in ('queued', 'processing'))
    limit %(limit)s
    for update skip locked
)
update app.tasks t
set status = 'queued', published_at = case when %(published)s then clock_timestamp() end
from aside a
where t.run_id = a.run_id and t.stage = a.stage and t.idx = a.idx
returning t.run_id, t.stage, t.idx, t.attempt, t.queue
