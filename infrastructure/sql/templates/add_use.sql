insert into app.template_uses (name, version, overrides, job_id, run, is_new, by)
values (%(name)s, %(version)s, %(overrides)s::jsonb, %(job_id)s, %(run)s, %(is_new)s, %(by)s)
