-- Its deliveries are dropped after it, in chunks: there may be very many.
with gone as (
    delete from app.webhooks where webhook_id = %(webhook)s returning webhook_id
)
delete from app.webhook_secrets s using gone where s.webhook_id = gone.webhook_id
