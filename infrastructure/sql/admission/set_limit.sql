insert into app.limits (job_type, max_running, rate_count, rate_seconds, set_by)
values (%(job_type)s, %(max_running)s, %(count)s, %(seconds)s, %(by)s)
on conflict (job_type) do update
set max_running = excluded.max_running, rate_count = excluded.rate_count, rate_seconds = excluded.rate_seconds,
    set_by = excluded.set_by, set_at = clock_timestamp()
