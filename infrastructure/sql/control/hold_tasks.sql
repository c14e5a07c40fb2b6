-- Set aside what nobody has claimed. What slips by is refused when it is claimed.
with due as (
    select run_id, stage, idx from app.tasks
    where run_id = %(run_id)s and status = 'queued'
      and exists (select from app.runs r where r.run_id = %(run_id)s and r.status = 'paused')
    order by run_id, stage, idx / 128, idx
    limit %(limit)s
    for update skip locked
)
update app.tasks t
set status = 'waiting', run_at = null, published_at = null
from due d
where t.run_id = d.run_id and t.stage = d.stage and t.idx = d.idx
