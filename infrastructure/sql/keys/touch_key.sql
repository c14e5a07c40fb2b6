-- Many processes see the same key used; one of them writes it down.
update app.keys set last_used_at = clock_timestamp()
where key_id = %(key)s
  and (last_used_at is null or last_used_at < clock_timestamp() - %(after)s::float8 * interval '1 second')
