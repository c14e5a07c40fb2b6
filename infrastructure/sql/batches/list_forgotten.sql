select distinct batch_id
from app.batch_jobs
where outcome = 'due' and at < clock_timestamp() - make_interval(secs => %(older)s)
order by batch_id
limit %(limit)s
