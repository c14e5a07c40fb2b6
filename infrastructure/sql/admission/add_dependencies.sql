-- Each job's current run. Jobs that are not there are left out, and the caller sees which.
with found as (
    select job_id, run_id from app.jobs where job_id = any(%(jobs)s::text[])
),
added as (
    insert into app.dependencies (run_id, on_run, on_job, needs_success)
    select %(run_id)s, run_id, job_id, %(success)s from found
)
select job_id from found
