insert into app.sessions (session, host, pid, role, queues)
values (%(session)s, %(host)s, %(pid)s, %(role)s, %(queues)s)
on conflict (session) do update set seen = clock_timestamp()
