update app.tasks t
set deadline = clock_timestamp() + s.timeout, progress = %(progress)s, note = %(note)s
from app.stages s
where s.run_id = t.run_id and s.stage = t.stage
  and t.run_id = %(run_id)s and t.stage = %(stage)s and t.idx = %(idx)s
  and t.attempt = %(attempt)s and t.session = %(session)s and t.status = 'processing'
