select count(*) from (
    select from app.traffic where hour < clock_timestamp() - %(older)s::interval limit %(limit)s
) old
