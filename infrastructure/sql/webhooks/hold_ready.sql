-- Targets that have something due. Locked, so that two couriers count what is under way one after the other.
select w.webhook_id
from app.webhooks w
where w.state = 'active'
    and (w.rests_until is null or w.rests_until <= clock_timestamp())
    and exists (
        select from app.deliveries d
        where d.webhook_id = w.webhook_id and d.status in ('waiting', 'sending') and d.due_at <= clock_timestamp())
for no key update skip locked
