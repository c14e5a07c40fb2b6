-- Waiting runs of which a dependency did not end well, each once.
with asked as (
    select run_id from app.runs where run_id = %(run)s and not admitted and finished_at is null
    union
    select run_id from app.dependencies where on_run = %(ended)s
    union
    select run_id from app.runs where %(everything)s and not admitted and finished_at is null
)
select distinct on (w.run_id) w.run_id, d.on_job, coalesce(o.status, 'deleted')
from asked
join app.runs w on w.run_id = asked.run_id and not w.admitted and w.finished_at is null
join app.dependencies d on d.run_id = w.run_id and d.needs_success
left join app.runs o on o.run_id = d.on_run
where o.run_id is null or (o.finished_at is not null and o.status not in ('completed', 'completed_with_errors'))
order by w.run_id, d.on_run
limit %(limit)s
