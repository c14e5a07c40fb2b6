with first as (
    select delivery from app.deliveries where webhook_id = %(webhook)s limit %(limit)s
),
forgotten as (
    delete from app.delivery_attempts a using first where a.delivery = first.delivery
)
delete from app.deliveries d using first where d.delivery = first.delivery
