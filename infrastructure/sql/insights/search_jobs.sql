-- Text that is searched for has no index, so a search looks through the newest ten thousand jobs and no further.
with looked as (
    select r.*
    from app.runs r
    where r.run_id = (select j.run_id from app.jobs j where j.job_id = r.job_id)
      and (%(status)s::text is null or r.status = %(status)s)
      and (%(job_type)s::text is null or r.job_type = %(job_type)s)
      and (%(created_after)s::timestamptz is null or r.created_at >= %(created_after)s)
      and (%(created_before)s::timestamptz is null or r.created_at < %(created_before)s)
      and (%(prefix)s::text is null or (r.job_id >= %(prefix)s and r.job_id < %(prefix)s || 'g'))
    order by r.run_id desc
    limit 10000
)
select r.run_id as id, r.job_id, r.job_type, r.number as run, r.status,
       not r.admitted and r.finished_at is null as waiting, r.created_at, r.started_at, r.finished_at,
       case when pg_column_size(r.parameters) <= 2048 then r.parameters end as parameters,
       r.error ->> 'message' as error,
       jsonb_array_length(r.plan) as stages_total,
       (select count(*) from app.stages s where s.run_id = r.run_id and s.status = 'closed') as stages_closed
from looked r
where (%(before)s::bigint is null or r.run_id < %(before)s)
  and (position(lower(%(text)s) in lower(r.parameters::text)) > 0
    or position(lower(%(text)s) in r.job_type) > 0
    or position(lower(%(text)s) in lower(r.error ->> 'message')) > 0)
order by r.run_id desc
limit %(limit)s
