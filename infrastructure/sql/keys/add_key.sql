-- Nothing when it is there already: the reply to a first try was lost.
insert into app.keys (key_id, digest, name, role, job_types, created_by, expires_at)
values (%(key)s, %(digest)s, %(name)s, %(role)s, %(job_types)s::text[], %(by)s,
        clock_timestamp() + %(days)s::float8 * interval '1 day')
on conflict (key_id) do nothing
