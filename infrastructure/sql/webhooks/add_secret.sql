with dead as (
    delete from app.webhook_secrets where webhook_id = %(webhook)s and valid_until <= clock_timestamp()
)
insert into app.webhook_secrets (webhook_id, secret)
select w.webhook_id, %(secret)s from app.webhooks w where w.webhook_id = %(webhook)s
