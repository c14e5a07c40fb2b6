delete from app.audit
where id in (
    select id from app.audit where at < clock_timestamp() - %(older)s::interval order by at limit %(limit)s
)
