insert into app.outbox (queue, run_id, stage, idx, attempt)
select m.queue, m.run_id, m.stage, m.idx, m.attempt
from unnest(%(queue)s::text[], %(run)s::bigint[], %(stage)s::smallint[], %(idx)s::integer[], %(attempt)s::integer[])
    as m (queue, run_id, stage, idx, attempt)
