delete from app.task_logs l
using unnest(%(run)b::bigint[], %(stage)b::smallint[], %(idx)b::integer[]) as k (run_id, stage, idx)
where l.run_id = k.run_id and l.stage = k.stage and l.idx = k.idx
  and exists (select from app.jobs j where j.job_id = %(job_id)s and j.deleting_at is not null)
