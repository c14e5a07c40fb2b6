update app.keys set revoked_at = clock_timestamp() where key_id = %(key)s and revoked_at is null
