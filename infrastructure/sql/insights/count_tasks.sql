select stage, status, count(*), coalesce(sum(progress) filter (where status = 'processing'), 0)
from app.tasks
where run_id = %(run_id)s and stage = any(%(stages)s::smallint[]) and idx >= 0
group by stage, status
