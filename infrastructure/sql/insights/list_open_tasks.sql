-- By neighbourhoods of 128, so that the few open tasks of a large stage are found by their own index.
select run_id, stage, idx, status, attempt, failures, queue, session, started_at, finished_at, deadline,
       nullif(run_at, 'infinity') as due_at, coalesce(run_at = 'infinity', false) as asks, progress, note,
       error - 'trace'
from app.tasks
where run_id = %(run_id)s and (stage, idx / 128, idx) >= (%(first_stage)s, %(first)s / 128, %(first)s)
  and stage <= %(last_stage)s
  and status = %(status)s
order by stage, idx / 128, idx
limit %(limit)s
