select r.job_id, r.job_type, s.name as stage, s.opened_at as since
from app.tasks t
join app.runs r on r.run_id = t.run_id and r.finished_at is null
join app.stages s on s.run_id = t.run_id and s.stage = t.stage
where t.status = 'waiting' and t.run_at = 'infinity'
order by s.opened_at, r.job_id
limit %(limit)s
