-- The stage counts as closed in this run; its tasks stay where they are.
insert into app.stages (run_id, stage, name, status, verdict, queue, total, completed, failed, cancelled, skipped,
                        attempts, timeout, tolerated, closed_at)
select %(run_id)s, stage, name, status, verdict, queue, total, completed, failed, cancelled, skipped,
       attempts, timeout, tolerated, clock_timestamp()
from app.stages
where run_id = %(source)s and stage = %(stage)s and status = 'closed'
returning verdict
