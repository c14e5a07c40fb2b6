-- Whether anybody waited for what this run held. Mostly nobody does, and three looks into small indexes tell so.
-- The order of the second is that of its index: without it, stale statistics make it read all that has ended.
select
    case when r.key <> '' and exists (
        select from app.runs w where w.key = r.key and w.key <> '' and not w.admitted and w.finished_at is null
    ) then r.key else '' end as key,
    case when exists (
        select from app.limits m where m.job_type = r.job_type and m.max_running is not null
    ) and (
        select w.run_id from app.runs w
        where w.job_type = r.job_type and not w.admitted and w.finished_at is null
        order by w.key, w.priority desc, w.run_id
        limit 1
    ) is not null then r.job_type else '' end as job_type,
    exists (select from app.dependencies d where d.on_run = r.run_id) as is_awaited
from app.runs r
where r.run_id = %(run_id)s
