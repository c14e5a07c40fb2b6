-- Resuming also closes the circuit: a person says that the target is well.
update app.webhooks w set
    state = %(state)s, reason = null, failures = 0, rests_until = null,
    changed_at = clock_timestamp(), changed_by = %(by)s
where w.webhook_id = %(webhook)s and (w.state <> %(state)s or (%(state)s = 'active' and w.failures > 0))
returning w.webhook_id, w.url, w.description, w.events, w.job_types, w.prefix, w.state, w.reason, w.failures,
       case when w.rests_until > clock_timestamp() then w.rests_until end as rests_until,
       w.created_at, w.created_by, w.changed_at, w.changed_by
