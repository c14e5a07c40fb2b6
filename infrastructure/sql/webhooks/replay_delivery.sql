-- The whole schedule begins anew, under the same name. What is being sent, or about to be for the first time, is left alone:
-- of two who replay at once, one acts.
with again as (
    update app.deliveries d
    set status = 'waiting', tries = 0, due_at = clock_timestamp(), ended_at = null
    where d.webhook_id = %(webhook)s and d.delivery = %(delivery)s
        and (d.status <> 'sending' or d.due_at <= clock_timestamp())
        and not (d.status = 'waiting' and d.tries = 0 and d.due_at <= clock_timestamp())
    returning d.delivery
)
select pg_notify('coremachine', 'webhooks') from again
