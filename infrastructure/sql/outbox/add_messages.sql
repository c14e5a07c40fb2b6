insert into app.outbox (queue, run_id, stage, idx, attempt)
select m.queue, m.run_id, m.stage, m.idx, m.attempt
from unnest(%(queue)b::text[], %(run)b::bigint[], %(stage)b::smallint[], %(idx)b::integer[], %(attempt)b::integer[])
    as m (queue, run_id, stage, idx, attempt)
