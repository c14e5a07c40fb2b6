-- Given back unharmed: no attempt is counted. Just-claimed tasks are left to the slot that waits for the answer.
-- In a CASE the fence tempts no planner: rows are reached by their whole primary key, whatever statistics say.
update app.tasks t
set status = 'queued', session = null, deadline = null,
    published_at = case when %(published)s then clock_timestamp() end
from unnest(%(run)b::bigint[], %(stage)b::smallint[], %(idx)b::integer[], %(attempt)b::integer[])
    as g (run_id, stage, idx, attempt)
where t.run_id = g.run_id and t.stage = g.stage and t.idx = g.idx
  and g.attempt = case when t.status = 'processing' and t.session = %(session)s then t.attempt end
  and t.started_at < clock_timestamp() - make_interval(secs => %(older)s)
returning t.run_id, t.stage, t.idx, t.attempt, t.queue
