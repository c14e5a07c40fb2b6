-- In a CASE the fence tempts no planner: the row is reached by its whole primary key, whatever statistics say.
update app.tasks t
set deadline = clock_timestamp() + s.timeout, progress = %(progress)s, note = %(note)s
from app.stages s
where s.run_id = t.run_id and s.stage = t.stage
  and t.run_id = %(run_id)s and t.stage = %(stage)s and t.idx = %(idx)s
  and %(attempt)s = case when t.status = 'processing' and t.session = %(session)s then t.attempt end
