update app.runs
set status = %(status)s,
    paused_at = case when %(status)s = 'paused' then clock_timestamp() end,
    deadline = deadline + coalesce(clock_timestamp() - paused_at, interval '0')
where run_id = %(run_id)s
