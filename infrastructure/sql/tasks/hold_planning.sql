-- The planner's fence: one that was given up, or whose run was cancelled, finds no row and writes nothing.
select t.priority, s.queue
from app.tasks t
join app.stages s on s.run_id = t.run_id and s.stage = t.stage
where t.run_id = %(run_id)s and t.stage = %(stage)s and t.idx = -1
  and t.attempt = %(attempt)s and t.session = %(session)s and t.status = 'processing'
  and s.status = 'expanding'
for update of t
