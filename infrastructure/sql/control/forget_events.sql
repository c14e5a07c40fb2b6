-- The newest first, so that those that are left are still numbered without gaps.
with last as (
    select e.job_id, e.number from app.events e
    join app.jobs j on j.job_id = e.job_id and j.deleting_at is not null
    where e.job_id = %(job_id)s
    order by e.number desc
    limit %(limit)s
),
counted as (
    update app.jobs set events = events - (select count(*) from last) where job_id = %(job_id)s
)
delete from app.events e using last l where e.job_id = l.job_id and e.number = l.number
