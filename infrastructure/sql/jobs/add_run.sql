-- A run that is bound by nothing is let in at once.
with run as (
    insert into app.runs (job_id, job_type, number, request, plan, parameters, parameters_ref, priority,
                          key, terms, admitted, admitted_at, deadline)
    select %(job_id)s, %(job_type)s, %(number)s, %(request)s, %(plan)s::jsonb, %(parameters)s::jsonb,
           %(parameters_ref)s, %(priority)s, %(key)s, %(terms)s::jsonb, free.yes,
           case when free.yes then clock_timestamp() end,
           case when free.yes then clock_timestamp() + make_interval(secs => %(timeout)s::float8) end
    from (
        select not %(binds)s and not exists (select from app.limits where job_type = %(job_type)s) as yes
    ) free
    returning run_id, admitted
),
job as (
    insert into app.jobs (job_id, job_type, run_id)
    select %(job_id)s, %(job_type)s, run_id from run
    on conflict (job_id) do update set run_id = excluded.run_id
)
select run_id, admitted from run
