-- What is older than it is kept, ended or not.
with old as (
    select delivery from app.deliveries
    where happened < clock_timestamp() - make_interval(days => %(days)s)
    order by happened
    limit %(limit)s
),
forgotten as (
    delete from app.delivery_attempts a using old where a.delivery = old.delivery
)
delete from app.deliveries d using old where d.delivery = old.delivery
