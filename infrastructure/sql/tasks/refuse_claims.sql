-- Claims of this transaction, undone before anybody sees them: their run is paused, or has ended.
update app.tasks t
set status = case when r.status = 'paused' then 'waiting' else 'cancelled' end,
    attempt = t.attempt - 1, session = null, deadline = null, run_at = null, published_at = null,
    finished_at = case when r.status = 'paused' then null else clock_timestamp() end
from unnest(%(run)b::bigint[], %(stage)b::smallint[], %(idx)b::integer[], %(attempt)b::integer[])
    as c (run_id, stage, idx, attempt)
join app.runs r on r.run_id = c.run_id and r.status not in ('queued', 'processing')
where t.run_id = c.run_id and t.stage = c.stage and t.idx = c.idx and t.attempt = c.attempt
returning t.run_id, t.stage, t.idx
