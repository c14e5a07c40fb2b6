-- Walks from run to run, however many tasks of each are set aside.
with recursive aside as (
    select min(run_id) as run_id from app.tasks where status = 'waiting' and run_at is null
    union all
    select (select min(t.run_id) from app.tasks t
            where t.status = 'waiting' and t.run_at is null and t.run_id > a.run_id)
    from aside a
    where a.run_id is not null
)
select r.run_id
from aside a
join app.runs r on r.run_id = a.run_id and r.status in ('queued', 'processing')
limit %(limit)s
