select m.idx, m.job_type, m.job_id, m.status, m.reason, m.run, m.is_new
from (
    select b.idx, b.job_type, b.job_id, b.reason, b.run, b.is_new,
           case when b.outcome <> 'submitted' then b.outcome else coalesce(r.status, 'deleted') end as status
    from app.batch_jobs b
    left join app.jobs j on j.job_id = b.job_id
    left join app.runs r on r.run_id = j.run_id
    where b.batch_id = %(batch_id)s and b.idx > %(after)s
) m
where %(status)s::text is null or m.status = %(status)s
order by m.idx
limit %(limit)s
