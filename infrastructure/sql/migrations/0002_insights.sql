-- Finds the few failed tasks of a stage of a million; costs nothing while tasks succeed.
create index tasks_failed_here on app.tasks (run_id, stage, idx) where status = 'failed';
