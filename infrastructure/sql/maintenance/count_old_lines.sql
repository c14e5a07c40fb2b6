select count(*) from (
    select from app.task_logs where kept_at < clock_timestamp() - %(older)s::interval limit %(limit)s
) old
