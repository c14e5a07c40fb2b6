-- Time that a run was paused does not count; before the run moves on.
update app.stages s
set deadline = s.deadline + (clock_timestamp() - greatest(r.paused_at, s.opened_at))
from app.runs r
where r.run_id = %(run_id)s and r.status = 'paused' and r.paused_at is not null
  and s.run_id = r.run_id and s.deadline is not null and s.status in ('expanding', 'open')
