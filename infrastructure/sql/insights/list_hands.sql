select j.job_id, w.host, w.pid, count(*) as tasks
from app.jobs j
join app.tasks t on t.run_id = j.run_id and t.status = 'processing'
join app.sessions w on w.session = t.session
where j.job_id = any(%(job_ids)s)
group by j.job_id, w.host, w.pid
order by j.job_id, tasks desc, w.host, w.pid
