-- What an attempt says about its target. Most often nothing new, and then nothing is written.
update app.webhooks set
    failures = %(failures)s, doubtful = %(doubtful)s, rests_until = clock_timestamp() + %(rests)s,
    state = case when %(gone)s then 'disabled' else state end,
    reason = case when %(gone)s then 'the target answered 410: it is gone' else reason end
where webhook_id = %(webhook)s
    and (failures <> %(failures)s or doubtful <> %(doubtful)s or rests_until is not null or %(failures)s > 0)
