-- Under the run's lock, so that a decision that is told to have been taken was taken before the run ended.
with alive as (
    select run_id from app.runs where run_id = %(run_id)s and finished_at is null for share
)
update app.tasks t
set status = case when %(approved)s then 'completed' else 'failed' end,
    attempt = attempt + 1,
    run_at = null,
    finished_at = clock_timestamp(),
    result = case when %(approved)s then %(decision)s::jsonb end,
    error = case when not %(approved)s then %(error)s::jsonb end
from alive
where t.run_id = alive.run_id and stage = %(stage)s and idx = %(idx)s and status = 'waiting' and run_at = 'infinity'
