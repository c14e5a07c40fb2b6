-- The job, its run and its stages, all of one moment. Long columns come only when the whole job is asked for.
select r.run_id, r.job_id, r.job_type, r.number, r.status, r.plan,
       case when %(whole)s then r.parameters end, r.parameters_ref, r.priority, null,
       case when %(whole)s then r.result end, r.result_ref, r.error, r.created_at, r.started_at, r.finished_at, j.events,
       not r.admitted and r.finished_at is null, r.deadline,
       (select jsonb_agg(to_jsonb(s) order by s.stage) from app.stages s where s.run_id = r.run_id)
from app.jobs j
join app.runs r on r.run_id = j.run_id
where j.job_id = %(job_id)s
