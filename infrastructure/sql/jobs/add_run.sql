with run as (
    insert into app.runs (job_id, job_type, number, request, plan, parameters, parameters_ref, priority)
    values (%(job_id)s, %(job_type)s, %(number)s, %(request)s, %(plan)s::jsonb, %(parameters)s::jsonb,
            %(parameters_ref)s, %(priority)s)
    returning run_id
)
insert into app.jobs (job_id, job_type, run_id)
select %(job_id)s, %(job_type)s, run_id from run
on conflict (job_id) do update set run_id = excluded.run_id
returning run_id
