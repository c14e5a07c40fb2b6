-- Tasks queued while another kind of queue was configured have never been published to this one.
with unpublished as (
    select run_id, stage, idx from app.tasks
    where status = 'queued' and published_at is null
    order by queue, priority desc, run_id, stage, idx
    limit %(chunk)s
    for update skip locked
)
update app.tasks t
set published_at = clock_timestamp()
from unpublished u
where t.run_id = u.run_id and t.stage = u.stage and t.idx = u.idx
returning t.run_id, t.stage, t.idx, t.attempt, t.queue
