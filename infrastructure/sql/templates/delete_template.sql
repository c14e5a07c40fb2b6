update app.templates set deleted_at = clock_timestamp(), deleted_by = %(by)s
where name = %(name)s and deleted_at is null
