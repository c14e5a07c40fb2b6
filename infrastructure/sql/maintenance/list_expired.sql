select r.job_id from app.runs r
join app.jobs j on j.job_id = r.job_id and j.run_id = r.run_id
where r.finished_at < clock_timestamp() - %(older)s::interval
order by r.finished_at
limit %(limit)s
