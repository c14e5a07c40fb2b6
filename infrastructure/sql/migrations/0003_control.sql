-- Set by whoever deletes the job: from then on nothing can be done to it.
alter table app.jobs add column deleting_at timestamptz;
create index jobs_deleting on app.jobs (job_id) where deleting_at is not null;

-- Tasks that a pause has set aside: they wait for no moment and for no person.
create index tasks_aside on app.tasks (run_id) where status = 'waiting' and run_at is null;
