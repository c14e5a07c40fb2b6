delete from app.checkpoints c
using unnest(%(run)b::bigint[], %(stage)b::smallint[], %(idx)b::integer[]) as k (run_id, stage, idx)
where c.run_id = k.run_id and c.stage = k.stage and c.idx = k.idx
  and exists (select from app.jobs j where j.job_id = %(job_id)s and j.deleting_at is not null)
