select l.id, l.at, l.level, l.message, l.logger, l.run_id, l.stage as stage_number, l.idx, s.name as stage, l.attempt, l.number
from app.task_logs l
left join app.stages s on s.run_id = l.run_id and s.stage = l.stage
where l.run_id = %(run_id)s and l.id > %(after)s and l.level >= %(level)s
order by l.id
limit %(limit)s
