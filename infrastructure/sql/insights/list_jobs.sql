-- Newest first. Walks the runs backwards and keeps those that are current, so a page costs the same at any age.
-- The offset keeps the planner from thinking that hardly any run is current, and sorting all of them.
-- A job id's prefix is a range of ids, so it finds its place in the index under any collation.
select r.run_id as id, r.job_id, r.job_type, r.number as run, r.status,
       not r.admitted and r.finished_at is null as waiting, r.created_at, r.started_at, r.finished_at,
       case when pg_column_size(r.parameters) <= 2048 then r.parameters end as parameters,
       r.error ->> 'message' as error,
       jsonb_array_length(r.plan) as stages_total,
       (select count(*) from app.stages s where s.run_id = r.run_id and s.status = 'closed') as stages_closed
from app.runs r
cross join lateral (
    select from app.jobs j where j.job_id = r.job_id and j.run_id = r.run_id offset 0
) current_one
where (%(before)s::bigint is null or r.run_id < %(before)s)
  and (%(status)s::text is null or r.status = %(status)s)
  and (%(job_type)s::text is null or r.job_type = %(job_type)s)
  and (%(created_after)s::timestamptz is null or r.created_at >= %(created_after)s)
  and (%(created_before)s::timestamptz is null or r.created_at < %(created_before)s)
  and (%(prefix)s::text is null or (r.job_id >= %(prefix)s and r.job_id < %(prefix)s || 'g'))
order by r.run_id desc
limit %(limit)s
