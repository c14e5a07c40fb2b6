-- Also lets a resting target be tried now.
with w as (
    update app.webhooks set rests_until = null
    where webhook_id = %(webhook)s and state = 'active'
    returning webhook_id
),
added as (
    insert into app.deliveries (webhook_id, kind, told)
    select w.webhook_id, %(kind)s, jsonb_build_object('webhook', w.webhook_id) from w
    returning delivery
)
select delivery, pg_notify('coremachine', 'webhooks') from added
