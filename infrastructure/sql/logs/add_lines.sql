insert into app.task_logs (run_id, stage, idx, attempt, number, at, level, logger, message)
select l.run_id, l.stage, l.idx, l.attempt, l.number, to_timestamp(l.at), l.level, l.logger, l.message
from unnest(%(run)b::bigint[], %(stage)b::smallint[], %(idx)b::integer[], %(attempt)b::integer[], %(number)b::integer[],
            %(at)b::float8[], %(level)b::smallint[], %(logger)b::text[], %(message)b::text[])
    with ordinality as l (run_id, stage, idx, attempt, number, at, level, logger, message, place)
order by l.place
on conflict do nothing
