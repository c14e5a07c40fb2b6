with dropped as (
    select run_id, stage, idx from app.tasks
    where run_id = %(run_id)s and (%(stage)s::smallint is null or stage = %(stage)s)
      and (status in ('queued', 'waiting') or (%(stage)s::smallint is null and status = 'processing'))
    order by stage, idx / 128, idx
    limit %(limit)s
    for update skip locked
)
update app.tasks t
set status = 'cancelled', session = null, deadline = null, run_at = null, finished_at = clock_timestamp()
from dropped d
where t.run_id = d.run_id and t.stage = d.stage and t.idx = d.idx
