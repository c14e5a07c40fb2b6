select run_id from app.runs where finished_at is not null and not swept order by run_id limit %(limit)s
