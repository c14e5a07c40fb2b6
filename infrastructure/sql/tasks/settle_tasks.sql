-- In a CASE the fence tempts no planner: rows are reached by their whole primary key, whatever statistics say.
update app.tasks t
set status = o.status,
    failures = t.failures + o.counted,
    session = null,
    deadline = null,
    run_at = case when o.status = 'waiting' then coalesce(clock_timestamp() + o.delay, 'infinity') end,
    published_at = case when o.status = 'queued' and %(published)s then clock_timestamp() end,
    finished_at = case when o.status in ('completed', 'failed') then clock_timestamp() end,
    result = o.result::jsonb,
    result_ref = o.ref,
    error = o.error::jsonb
from unnest(%(run)b::bigint[], %(stage)b::smallint[], %(idx)b::integer[], %(attempt)b::integer[], %(status)b::text[],
            %(counted)b::smallint[], %(delay)b::interval[], %(result)b::text[], %(ref)b::text[], %(error)b::text[])
    as o (run_id, stage, idx, attempt, status, counted, delay, result, ref, error)
where t.run_id = o.run_id and t.stage = o.stage and t.idx = o.idx
  and o.attempt = case when t.status = 'processing' and t.session = %(session)s then t.attempt end
returning t.run_id, t.stage, t.idx
