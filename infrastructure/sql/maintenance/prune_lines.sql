-- Far more than of other records: a busy day has logged many lines, and each is small.
delete from app.task_logs
where ctid = any(array(
    select ctid from app.task_logs where kept_at < clock_timestamp() - %(older)s::interval limit 50 * %(limit)s
))
