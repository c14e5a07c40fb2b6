update app.schedules
set job_type = %(job_type)s, parameters = %(parameters)s::jsonb, cron = %(cron)s, zone = %(zone)s,
    overlap = %(overlap)s, catch_up = %(catch_up)s, backlog = %(backlog)s,
    decided = %(decided)s, look_at = %(look_at)s, last_job = %(last_job)s,
    paused_at = %(paused_at)s, paused_by = %(paused_by)s, changed_at = %(changed_at)s, changed_by = %(changed_by)s
where schedule_id = %(schedule_id)s
