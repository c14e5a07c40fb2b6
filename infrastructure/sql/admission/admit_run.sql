-- Whoever cancels or pauses the run in the meantime has locked its row: the one who came first has won.
update app.runs
set admitted = true, admitted_at = clock_timestamp(),
    deadline = clock_timestamp() + make_interval(secs => (terms ->> 'timeout')::float8)
where run_id = %(run_id)s and not admitted and finished_at is null and status = 'queued'
returning run_id, job_id, job_type, number, status, plan, parameters, parameters_ref, priority, request,
          key, extract(epoch from clock_timestamp() - created_at)::float8
