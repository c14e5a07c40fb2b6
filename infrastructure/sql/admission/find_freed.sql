-- Whether anybody waited for what this run held. Mostly nobody does, and three looks into small indexes tell so.
select
    case when r.key <> '' and exists (
        select from app.runs w where w.key = r.key and w.key <> '' and not w.admitted and w.finished_at is null
    ) then r.key else '' end as key,
    case when exists (
        select from app.runs w
        join app.limits m on m.job_type = w.job_type and m.max_running is not null
        where w.job_type = r.job_type and not w.admitted and w.finished_at is null
    ) then r.job_type else '' end as job_type,
    exists (select from app.dependencies d where d.on_run = r.run_id) as is_awaited
from app.runs r
where r.run_id = %(run_id)s
