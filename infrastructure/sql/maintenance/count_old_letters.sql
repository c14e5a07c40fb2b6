select count(*) from (
    select from app.quarantine where at < clock_timestamp() - %(older)s::interval order by id limit %(limit)s
) old
