-- Whether one of the jobs waits for the run, itself or by way of others that have not ended.
with recursive behind (run_id) as (
    select j.run_id from app.jobs j where j.job_id = any(%(jobs)s::text[])
    union
    select d.on_run from behind b
    join app.dependencies d on d.run_id = b.run_id
    join app.runs o on o.run_id = d.on_run and o.finished_at is null
)
select exists (select from behind where run_id = %(run_id)s)
