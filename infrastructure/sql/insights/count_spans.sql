-- A hundred thousand tasks become a few hundred rows: how many began in one slice of time and ended in another.
select h.place::integer - 1 as stage,
       greatest(0, least(%(slices)s - 1, floor(date_part('epoch', t.started_at - %(begin)s::timestamptz) / %(seconds)s)))::integer as first,
       greatest(0, least(%(slices)s - 1, floor(date_part('epoch', t.finished_at - %(begin)s::timestamptz) / %(seconds)s)))::integer as last,
       count(*) as tasks,
       count(*) filter (where t.status = 'failed' and t.finished_at <= %(end)s) as failed
from unnest(%(homes)s::bigint[]) with ordinality as h (run_id, place)
join app.tasks t on t.run_id = h.run_id and t.stage = h.place - 1 and t.idx >= 0
where t.started_at <= %(end)s and (t.finished_at is null or t.finished_at >= %(begin)s)
group by 1, 2, 3
