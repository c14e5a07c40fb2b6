-- Also tasks that run: their workers learn it from the heartbeat, and what they still say is ignored.
with dropped as (
    select t.run_id, t.stage, t.idx from app.tasks t
    join app.stages s on s.run_id = t.run_id and s.stage = t.stage and s.error is not null
    where t.run_id = %(run_id)s and t.stage = %(stage)s and t.status in ('queued', 'processing', 'waiting')
    order by t.stage, t.idx
    limit %(limit)s
    for update of t skip locked
)
update app.tasks t
set status = 'cancelled', session = null, deadline = null, run_at = null, finished_at = clock_timestamp()
from dropped d
where t.run_id = d.run_id and t.stage = d.stage and t.idx = d.idx
