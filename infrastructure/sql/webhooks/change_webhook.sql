-- A new address begins without the old one's record.
update app.webhooks w set
    url = %(url)s, description = %(description)s, events = %(events)s::text[], job_types = %(job_types)s::text[],
    prefix = %(prefix)s, changed_at = clock_timestamp(), changed_by = %(by)s,
    failures = case when w.url = %(url)s then w.failures else 0 end,
    rests_until = case when w.url = %(url)s then w.rests_until end,
    doubtful = w.doubtful or w.url <> %(url)s
where w.webhook_id = %(webhook)s
returning w.webhook_id, w.url, w.description, w.events, w.job_types, w.prefix, w.state, w.reason, w.failures,
       case when w.rests_until > clock_timestamp() then w.rests_until end as rests_until,
       w.created_at, w.created_by, w.changed_at, w.changed_by
