-- A due task keeps no time of its own, so the oldest is told by when its stage was opened.
with due as (
    select queue, run_id, stage, count(*) as waiting from app.tasks where status = 'queued' group by queue, run_id, stage
),
waiting as (
    select d.queue, sum(d.waiting) as waiting, min(s.opened_at) as oldest
    from due d
    left join app.stages s on s.run_id = d.run_id and s.stage = d.stage
    group by d.queue
),
later as (
    select queue, count(*) as later from app.tasks where status = 'waiting' and run_at < 'infinity' group by queue
),
active as (
    select queue, count(*) as processing from app.tasks where status = 'processing' group by queue
)
select q.queue,
       coalesce(w.waiting, 0)::bigint as waiting,
       coalesce(l.later, 0) as later,
       coalesce(a.processing, 0) as processing,
       extract(epoch from clock_timestamp() - w.oldest)::float8 as oldest_seconds
from unnest(%(queues)s::text[]) with ordinality as q (queue, place)
left join waiting w on w.queue = q.queue
left join later l on l.queue = q.queue
left join active a on a.queue = q.queue
order by q.place
