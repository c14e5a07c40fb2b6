select w.webhook_id, w.url, w.description, w.events, w.job_types, w.prefix, w.state, w.reason, w.failures,
       case when w.rests_until > clock_timestamp() then w.rests_until end as rests_until,
       w.created_at, w.created_by, w.changed_at, w.changed_by
from app.webhooks w
where w.webhook_id = %(webhook)s
