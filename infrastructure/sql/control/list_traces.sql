select t.run_id, t.stage, t.idx, t.attempt, t.result, t.result_ref,
       (select jsonb_agg(c.value) from app.checkpoints c
        where c.run_id = t.run_id and c.stage = t.stage and c.idx = t.idx) as phases
from app.runs r
cross join lateral (
    select * from app.tasks t
    where t.run_id = r.run_id and (t.run_id, t.stage, t.idx) > (%(run_id)s, %(stage)s, %(idx)s)
    order by t.run_id, t.stage, t.idx
    limit %(limit)s
) t
where r.job_id = %(job_id)s and r.run_id >= %(run_id)s
order by t.run_id, t.stage, t.idx
limit %(limit)s
