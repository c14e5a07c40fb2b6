-- Tasks of workers that died or hang: tried again while attempts are left, failed with the reason when not.
-- An attempt counts against a task that was surely the one; of a batch that died together each runs alone next.
with lapsed as (
    select t.run_id, t.stage, t.idx, s.attempts, dead.yes as dead,
           (t.alone and (not dead.yes or held.count = 1)) or t.lost >= 5 as counted
    from app.tasks t
    join app.stages s on s.run_id = t.run_id and s.stage = t.stage
    left join app.sessions w on w.session = t.session
    cross join lateral (
        select w.session is null or w.seen < clock_timestamp() - make_interval(secs => %(dead_after)s) as yes
    ) dead
    cross join lateral (
        select count(*) from app.tasks h where h.session = t.session and h.status = 'processing'
    ) held
    where t.status = 'processing' and (dead.yes or t.deadline < clock_timestamp())
    order by t.run_id, t.stage, t.idx
    limit %(chunk)s
    for update of t skip locked
)
update app.tasks t
set status = case when t.failures + l.counted::int < l.attempts then 'queued' else 'failed' end,
    failures = t.failures + l.counted::int,
    lost = t.lost + (not l.counted)::int,
    session = null,
    deadline = null,
    published_at = case when %(published)s and t.failures + l.counted::int < l.attempts then clock_timestamp() end,
    finished_at = case when t.failures + l.counted::int < l.attempts then null else clock_timestamp() end,
    error = jsonb_build_object(
        'type', 'LeaseLost', 'code', 'lease_lost', 'trace', '', 'message',
        format('attempt %%s did not end: %%s', t.attempt,
               case when l.dead then 'its worker died' else 'it ran past its timeout' end)
    )
from lapsed l
where t.run_id = l.run_id and t.stage = l.stage and t.idx = l.idx
returning t.run_id, t.stage, t.idx, t.attempt, t.status, t.queue, t.error
