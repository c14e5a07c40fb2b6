-- A statement of its own after the lock: a new snapshot, which sees all that was committed before.
select s.status
from app.stages s
where s.run_id = %(run_id)s and s.stage = %(stage)s and s.status in ('expanding', 'open')
  and not exists (
      select from app.tasks t
      where t.run_id = s.run_id and t.stage = s.stage and t.status in ('queued', 'processing', 'waiting')
  )
for update
