-- Lines are numbered from 1, so the first number that is left tells how many went before it.
select coalesce(sum(f.first - 1), 0)::bigint
from (
    select min(number) as first from app.task_logs
    where run_id = %(run_id)s and stage = %(stage)s and idx = %(idx)s
    group by attempt
) f
