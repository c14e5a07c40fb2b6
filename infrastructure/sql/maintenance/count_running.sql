select count(*) from app.runs where finished_at is null
