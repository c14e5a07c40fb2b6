-- A job counts as it stands now, whichever run that is.
select case when b.outcome <> 'submitted' then b.outcome else coalesce(r.status, 'deleted') end as status, count(*)
from app.batch_jobs b
left join app.jobs j on j.job_id = b.job_id
left join app.runs r on r.run_id = j.run_id
where b.batch_id = %(batch_id)s
group by 1
