insert into app.audit (by, action, subject, data) values (%(by)s, %(action)s, %(subject)s, %(data)s::jsonb)
