with own as (
    select run_id from app.runs where job_id = %(job_id)s
)
select (select count(*) from own) as runs,
       (select count(*) from app.tasks t join own using (run_id)) as tasks,
       (select count(*) from app.checkpoints c join own using (run_id)) as checkpoints,
       (select count(*) from app.events e where e.job_id = %(job_id)s) as events
