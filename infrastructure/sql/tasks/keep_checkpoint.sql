-- Fenced like every write of a task: one that was taken away keeps nothing.
insert into app.checkpoints (run_id, stage, idx, name, value, value_ref)
select run_id, stage, idx, %(name)s, %(value)s::jsonb, %(ref)s
from app.tasks t
where run_id = %(run_id)s and stage = %(stage)s and idx = %(idx)s and attempt = %(attempt)s and status = 'processing'
  and exists (
      select from app.stages s where s.run_id = t.run_id and s.stage = t.stage and s.status in ('expanding', 'open')
  )
on conflict (run_id, stage, idx, name) do update
set value = excluded.value, value_ref = excluded.value_ref, kept_at = clock_timestamp()
