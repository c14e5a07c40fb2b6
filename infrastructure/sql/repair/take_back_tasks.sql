-- Tasks of workers that died or hang: tried again while attempts are left, failed with the reason when not.
-- An attempt counts against a task that was surely the one; of a batch that died together each runs alone next.
-- One that kept a checkpoint before its worker died has come further, so that costs nothing; a task that keeps
-- checkpoints and is lost twice without a new one would be lost for ever. A living worker ends heavy tasks itself.
with lapsed as (
    select t.run_id, t.stage, t.idx, t.failures, t.stalled, s.attempts, dead.yes as dead, kept.count as kept,
           dead.yes and kept.count > t.mark as further,
           (t.alone and (not dead.yes or held.count = 1)) or t.lost >= 5 as sure
    from app.tasks t
    join app.stages s on s.run_id = t.run_id and s.stage = t.stage
    left join app.sessions w on w.session = t.session
    cross join lateral (
        select w.session is null or w.seen < clock_timestamp() - make_interval(secs => %(dead_after)s) as yes
    ) dead
    cross join lateral (
        select count(*) from app.tasks h where h.session = t.session and h.status = 'processing'
    ) held
    cross join lateral (
        select count(*)::integer from app.checkpoints c
        where c.run_id = t.run_id and c.stage = t.stage and c.idx = t.idx
    ) kept
    where t.status = 'processing'
      and (dead.yes or t.deadline < clock_timestamp() - make_interval(
          secs => case when t.queue = 'tasks-heavy' then %(leeway)s else 0 end))
    order by t.run_id, t.stage, t.idx
    limit %(chunk)s
    for update of t skip locked
),
judged as (
    select *, (sure and not further)::int as counted,
           case when further then 0 else stalled + (dead and sure)::int end as stalls
    from lapsed
),
decided as (
    select *, dead and kept > 0 and stalls >= 2 as stuck,
           failures + counted < attempts and not (dead and kept > 0 and stalls >= 2) as again
    from judged
)
update app.tasks t
set status = case when d.again then 'queued' else 'failed' end,
    failures = t.failures + d.counted,
    lost = t.lost + (not d.sure)::int,
    mark = d.kept,
    stalled = d.stalls,
    session = null,
    deadline = null,
    published_at = case when %(published)s and d.again then clock_timestamp() end,
    finished_at = case when d.again then null else clock_timestamp() end,
    error = jsonb_build_object(
        'type', case when d.stuck then 'NoProgress' else 'LeaseLost' end,
        'code', case when d.stuck then 'no_progress' else 'lease_lost' end,
        'trace', '', 'message',
        format('attempt %%s did not end: %%s', t.attempt,
               case when d.stuck then 'its worker died, and no checkpoint was kept between the last losses: '
                                      'it makes no progress. Cut it into shorter phases (ctx.once)'
                    when d.dead then 'its worker died' else 'it ran past its timeout' end)
    )
from decided d
where t.run_id = d.run_id and t.stage = d.stage and t.idx = d.idx
returning t.run_id, t.stage, t.idx, t.attempt, t.status, t.queue, t.error
