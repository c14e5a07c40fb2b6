-- Finds jobs whose records have been kept long enough.
create index runs_by_end on app.runs (finished_at) where finished_at is not null;
