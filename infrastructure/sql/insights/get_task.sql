select t.run_id, t.stage, t.idx, t.status, t.attempt, t.failures, t.queue, t.session, t.started_at, t.finished_at, t.deadline,
       nullif(t.run_at, 'infinity') as due_at, coalesce(t.run_at = 'infinity', false) as asks, t.progress, t.note, t.error,
       t.arguments, t.arguments_ref, t.result, t.result_ref, r.plan
from app.tasks t
join app.runs r on r.run_id = t.run_id
where t.run_id = %(run_id)s and t.stage = %(stage)s and t.idx = %(idx)s and r.job_id = %(job_id)s
