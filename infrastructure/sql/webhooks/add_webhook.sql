with w as (
    insert into app.webhooks (url, description, events, job_types, prefix, created_by, changed_by)
    values (%(url)s, %(description)s, %(events)s::text[], %(job_types)s::text[], %(prefix)s, %(by)s, %(by)s)
    returning *
),
secret as (
    insert into app.webhook_secrets (webhook_id, secret) select w.webhook_id, %(secret)s from w
)
select w.webhook_id, w.url, w.description, w.events, w.job_types, w.prefix, w.state, w.reason, w.failures,
       case when w.rests_until > clock_timestamp() then w.rests_until end as rests_until,
       w.created_at, w.created_by, w.changed_at, w.changed_by
from w
