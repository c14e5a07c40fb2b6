select count(*) from app.tasks
where status = 'failed' and finished_at > clock_timestamp() - make_interval(secs => 3600 * %(hours)s)
