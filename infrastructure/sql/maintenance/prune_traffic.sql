delete from app.traffic
where ctid = any(array(select ctid from app.traffic where hour < clock_timestamp() - %(older)s::interval limit %(limit)s))
