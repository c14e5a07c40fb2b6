-- Tasks of workers that died or hang: tried again while attempts are left, failed with the reason when not.
with lapsed as (
    select t.run_id, t.stage, t.idx, s.attempts,
           case when w.session is null or w.seen < clock_timestamp() - make_interval(secs => %(dead_after)s)
                then 'its worker died' else 'it ran past its timeout' end as reason
    from app.tasks t
    join app.stages s on s.run_id = t.run_id and s.stage = t.stage
    left join app.sessions w on w.session = t.session
    where t.status = 'processing'
      and (w.session is null or w.seen < clock_timestamp() - make_interval(secs => %(dead_after)s)
           or t.deadline < clock_timestamp())
    order by t.run_id, t.stage, t.idx
    limit %(chunk)s
    for update of t skip locked
)
update app.tasks t
set status = case when t.failures + 1 < l.attempts then 'queued' else 'failed' end,
    failures = t.failures + 1,
    session = null,
    deadline = null,
    published_at = case when %(published)s and t.failures + 1 < l.attempts then clock_timestamp() end,
    finished_at = case when t.failures + 1 < l.attempts then null else clock_timestamp() end,
    error = jsonb_build_object('type', 'LeaseLost', 'code', 'lease_lost', 'trace', '', 'message',
                               format('attempt %%s did not end: %%s', t.attempt, l.reason))
from lapsed l
where t.run_id = l.run_id and t.stage = l.stage and t.idx = l.idx
returning t.run_id, t.stage, t.idx, t.attempt, t.status, t.queue, t.error
