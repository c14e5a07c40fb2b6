delete from app.tasks t
using unnest(%(run)b::bigint[], %(stage)b::smallint[], %(idx)b::integer[]) as k (run_id, stage, idx)
where t.run_id = k.run_id and t.stage = k.stage and t.idx = k.idx
  and exists (select from app.jobs j where j.job_id = %(job_id)s and j.deleting_at is not null)
