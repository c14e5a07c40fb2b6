update app.deliveries set
    status = %(status)s,
    due_at = clock_timestamp() + %(delay)s,
    ended_at = case when %(status)s <> 'waiting' then clock_timestamp() end
where delivery = %(delivery)s and attempt = %(attempt)s and status = 'sending'
