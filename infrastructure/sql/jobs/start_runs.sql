-- The first claim of a run starts it. Job rows are locked in order, so that two claims cannot embrace.
-- What comes back are runs that are paused or have ended, or that somebody moved just now: nothing of those may be begun;
-- and, where there are webhooks, the events that they may want to hear of.
with started as (
    update app.runs set status = 'processing', started_at = clock_timestamp()
    where run_id = any(%(runs)s) and status = 'queued'
    returning run_id, job_id
),
locked as (
    select j.job_id, s.run_id from app.jobs j join started s using (job_id) order by j.job_id for update of j
),
counted as (
    update app.jobs j set events = j.events + 1 from locked l where j.job_id = l.job_id
    returning j.job_id, j.events, l.run_id
),
told as (
    insert into app.events (job_id, number, run_id, what)
    select job_id, events, run_id, 'job_started' from counted
    returning job_id, number
)
select run_id, null::text as job_id, null::bigint as number from app.runs
where run_id = any(%(runs)s) and status <> 'processing' and run_id not in (select run_id from started)
union all
select null, job_id, number from told where exists (select from app.webhooks)
