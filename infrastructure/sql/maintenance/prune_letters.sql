delete from app.quarantine
where id in (
    select id from app.quarantine where at < clock_timestamp() - %(older)s::interval order by id limit %(limit)s
)
