select tick, outcome, reason, job_id, run, manual, by, at, id
from app.schedule_ticks
where schedule_id = %(schedule_id)s and outcome = 'waiting'
order by tick
limit %(limit)s
