-- Of every attempt the last lines are kept.
delete from app.task_logs t
using unnest(%(run)b::bigint[], %(stage)b::smallint[], %(idx)b::integer[], %(attempt)b::integer[], %(first)b::integer[])
    as d (run_id, stage, idx, attempt, first)
where t.run_id = d.run_id and t.stage = d.stage and t.idx = d.idx and t.attempt = d.attempt and t.number < d.first
