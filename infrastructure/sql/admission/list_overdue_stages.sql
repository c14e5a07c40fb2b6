select s.run_id, s.stage
from app.stages s
join app.runs r on r.run_id = s.run_id and r.finished_at is null and r.status <> 'paused'
where s.deadline < clock_timestamp() and s.status in ('expanding', 'open')
order by s.deadline
limit %(limit)s
