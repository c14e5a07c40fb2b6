insert into app.schedules (name, job_type, parameters, cron, zone, overlap, catch_up, backlog, owner, created_by, changed_by)
values (%(name)s, %(job_type)s, %(parameters)s::jsonb, %(cron)s, %(zone)s, %(overlap)s, %(catch_up)s, %(backlog)s,
        %(owner)s, %(by)s, %(by)s)
on conflict (name collate "C") where deleted_at is null do nothing
