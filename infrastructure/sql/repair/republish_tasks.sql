-- Messages that seem lost: published long ago, and still nobody came. None is while the outbox itself waits as long.
with lost as (
    select run_id, stage, idx from app.tasks
    where status = 'queued' and published_at < clock_timestamp() - make_interval(secs => %(lost_after)s)
      and not exists (
          select from (select at from app.outbox order by id limit 1) oldest
          where oldest.at < clock_timestamp() - make_interval(secs => %(lost_after)s)
      )
    order by published_at
    limit %(chunk)s
    for update skip locked
)
update app.tasks t
set published_at = clock_timestamp()
from lost l
where t.run_id = l.run_id and t.stage = l.stage and t.idx = l.idx
returning t.run_id, t.stage, t.idx, t.attempt, t.queue
