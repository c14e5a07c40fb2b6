select
    count(*) filter (where status = 'completed' and idx >= 0) as completed,
    count(*) filter (where status = 'failed') as failed,
    count(*) filter (where status = 'cancelled') as cancelled,
    count(*) filter (where status = 'skipped') as skipped,
    extract(epoch from clock_timestamp() - max(finished_at))::float8 as idle
from app.tasks
where run_id = %(run_id)s and stage = %(stage)s
