-- Sessions long dead that hold nothing any more.
delete from app.sessions w
where w.seen < clock_timestamp() - make_interval(secs => 10 * %(dead_after)s)
  and not exists (select from app.tasks t where t.session = w.session and t.status = 'processing')
