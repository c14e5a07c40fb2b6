select e.number, e.at, e.what, r.number as run, s.name as stage, e.run_id, e.stage as stage_number, e.idx, e.attempt, e.data
from app.events e
left join app.runs r on r.run_id = e.run_id
left join app.stages s on s.run_id = e.run_id and s.stage = e.stage
where e.job_id = %(job_id)s and e.number > %(after)s
order by e.number
limit %(limit)s
