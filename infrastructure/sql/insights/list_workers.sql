select w.session, w.host, w.pid, w.role, w.queues, w.started_at, w.seen as seen_at,
       (select count(*) from app.tasks t where t.session = w.session and t.status = 'processing') as holds
from app.sessions w
where w.seen > clock_timestamp() - make_interval(secs => %(dead_after)s)
order by w.started_at, w.session
