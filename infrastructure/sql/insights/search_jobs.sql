-- Text that is searched for has no index, so a search looks through the newest ten thousand runs and no further.
-- What is cheap to know comes first: nothing but the text is read of a run that does not hold it.
with looked as (
    select r.run_id
    from app.runs r
    where (%(status)s::text is null or r.status = %(status)s)
      and (%(job_type)s::text is null or r.job_type = %(job_type)s)
      and (%(created_after)s::timestamptz is null or r.created_at >= %(created_after)s)
      and (%(created_before)s::timestamptz is null or r.created_at < %(created_before)s)
      and (%(prefix)s::text is null or (r.job_id >= %(prefix)s and r.job_id < %(prefix)s || 'g'))
    order by r.run_id desc
    offset 10000
    limit 1
)
select r.run_id as id, r.job_id, r.job_type, r.number as run, r.status,
       not r.admitted and r.finished_at is null as waiting, r.created_at, r.started_at, r.finished_at,
       case when pg_column_size(r.parameters) <= 2048 then r.parameters end as parameters,
       r.error ->> 'message' as error,
       jsonb_array_length(r.plan) as stages_total,
       (select count(*) from app.stages s where s.run_id = r.run_id and s.status = 'closed') as stages_closed
from app.runs r
where r.run_id > coalesce((select looked.run_id from looked), 0)
  and (%(before)s::bigint is null or r.run_id < %(before)s)
  and (%(status)s::text is null or r.status = %(status)s)
  and (%(job_type)s::text is null or r.job_type = %(job_type)s)
  and (%(created_after)s::timestamptz is null or r.created_at >= %(created_after)s)
  and (%(created_before)s::timestamptz is null or r.created_at < %(created_before)s)
  and (%(prefix)s::text is null or (r.job_id >= %(prefix)s and r.job_id < %(prefix)s || 'g'))
  and (position(lower(%(text)s) in r.job_type) > 0
    or position(lower(%(text)s) in lower(r.parameters::text)) > 0
    or position(lower(%(text)s) in lower(r.error ->> 'message')) > 0)
  and r.run_id = (select j.run_id from app.jobs j where j.job_id = r.job_id)
order by r.run_id desc
limit %(limit)s
