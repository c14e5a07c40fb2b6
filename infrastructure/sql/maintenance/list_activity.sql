select pid,
       coalesce(application_name, '') as application,
       coalesce(state, '') as state,
       coalesce(extract(epoch from clock_timestamp() - case when state = 'active' then query_start else state_change end), 0)::float8 as seconds,
       extract(epoch from clock_timestamp() - xact_start)::float8 as in_transaction_seconds,
       wait_event_type || ': ' || wait_event as waits_for,
       left(query, 500) as statement,
       pg_blocking_pids(pid) as blocked_by
from pg_stat_activity
where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
order by seconds desc, pid
