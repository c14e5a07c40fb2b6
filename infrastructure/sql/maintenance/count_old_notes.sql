select count(*) from (
    select from app.audit where at < clock_timestamp() - %(older)s::interval limit %(limit)s
) old
