select run_id, stage, idx, status, attempt, failures, queue, session, started_at, finished_at, deadline,
       nullif(run_at, 'infinity') as due_at, coalesce(run_at = 'infinity', false) as asks, progress, note,
       error - 'trace'
from app.tasks
where run_id = %(run_id)s and (stage, idx) >= (%(first_stage)s, %(first)s) and stage <= %(last_stage)s
  and status = 'failed'
order by stage, idx
limit %(limit)s
