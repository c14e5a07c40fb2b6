select t.run_id, t.stage, t.idx from app.tasks t
join unnest(%(run)s::bigint[], %(stage)s::smallint[], %(idx)s::integer[]) as k (run_id, stage, idx)
  on t.run_id = k.run_id and t.stage = k.stage and t.idx = k.idx
where t.status = 'processing'
