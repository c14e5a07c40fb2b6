-- The attempt is the fence: duplicates and late messages match no row. A task lost in company must be named alone.
-- In a CASE the fence tempts no planner: rows are reached by their whole primary key, whatever statistics say.
update app.tasks t
set status = 'processing', attempt = t.attempt + 1, session = %(session)s, started_at = clock_timestamp(),
    deadline = clock_timestamp() + (select timeout from app.stages s where s.run_id = t.run_id and s.stage = t.stage),
    alone = cardinality(%(run)b::bigint[]) = 1, progress = null, note = null
from unnest(%(run)b::bigint[], %(stage)b::smallint[], %(idx)b::integer[], %(attempt)b::integer[])
    as m (run_id, stage, idx, attempt)
where t.run_id = m.run_id and t.stage = m.stage and t.idx = m.idx
  and m.attempt = case when t.status = 'queued' then t.attempt end
  and (t.lost = 0 or cardinality(%(run)b::bigint[]) = 1)
returning t.run_id, t.stage, t.idx, t.attempt, t.failures, t.queue, t.arguments, t.arguments_ref
