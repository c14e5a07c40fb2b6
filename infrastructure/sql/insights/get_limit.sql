select m.max_running, m.rate_count, m.rate_seconds, m.set_by, m.set_at,
       (
           select count(*) from app.runs r where r.job_type = %(job_type)s and r.admitted and r.finished_at is null
       ) as running,
       (
           select count(*) from app.runs w where w.job_type = %(job_type)s and not w.admitted and w.finished_at is null
       ) as waiting
from (values (1)) as one (row)
left join app.limits m on m.job_type = %(job_type)s
