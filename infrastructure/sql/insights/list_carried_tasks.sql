-- For a run that took stages over: each stage's tasks come from the run that keeps them.
select t.*
from unnest(%(homes)s::bigint[]) with ordinality as h (run_id, place)
cross join lateral (
    select run_id, stage, idx, status, attempt, failures, queue, session, started_at, finished_at, deadline,
           nullif(run_at, 'infinity') as due_at, coalesce(run_at = 'infinity', false) as asks, progress, note,
           error - 'trace'
    from app.tasks t
    where t.run_id = h.run_id and t.stage = h.place - 1
      and t.idx >= case when h.place - 1 = %(first_stage)s then %(first)s else -1 end
      and (%(status)s::text is null or t.status = %(status)s)
    order by t.idx
    limit %(limit)s
) t
where h.place - 1 >= %(first_stage)s and h.place - 1 <= %(last_stage)s
order by t.stage, t.idx
limit %(limit)s
