select t.run_id, t.stage, t.idx, t.status, t.attempt, t.started_at, t.finished_at
from unnest(%(homes)s::bigint[]) with ordinality as h (run_id, place)
join app.tasks t on t.run_id = h.run_id and t.stage = h.place - 1 and t.idx >= 0
where t.started_at <= %(end)s and (t.finished_at is null or t.finished_at >= %(begin)s)
order by t.started_at, t.stage, t.idx
limit %(limit)s
