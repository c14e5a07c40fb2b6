insert into app.stages (run_id, stage, name, status, verdict, queue, total, attempts, timeout, tolerated, closed_at, deadline)
values (%(run_id)s, %(stage)s, %(name)s, %(status)s, %(verdict)s, %(queue)s, %(total)s, %(attempts)s, %(timeout)s,
        %(tolerated)s, case when %(status)s = 'closed' then clock_timestamp() end,
        clock_timestamp() + %(within)s::interval)
