-- The newest runs that ended in the window, by slices that begin at whole hours or days; their tasks are those that their
-- stages counted when they closed, so no task is read.
with ended as (
    select run_id, job_type, status, finished_at
    from app.runs
    where finished_at > now() - make_interval(secs => %(seconds)s)
    order by finished_at desc
    limit %(limit)s
)
select (floor(date_part('epoch', e.finished_at) / %(slice)s) * %(slice)s)::bigint as begin, e.job_type, e.status,
       count(*) as jobs, coalesce(sum(s.tasks), 0)::bigint as tasks
from ended e
left join lateral (select sum(total) as tasks from app.stages where run_id = e.run_id) s on true
group by 1, 2, 3
