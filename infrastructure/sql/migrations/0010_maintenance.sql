-- Set with deleting_at, where only the job's records go.
alter table app.jobs add column keeps_outputs boolean not null default false;

-- Finds jobs whose records have been kept long enough.
create index runs_by_end on app.runs (finished_at) where finished_at is not null;
