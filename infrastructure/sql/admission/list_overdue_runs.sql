-- A paused run's time stands still.
select run_id from app.runs
where deadline < clock_timestamp() and finished_at is null and status <> 'paused'
order by deadline
limit %(limit)s
