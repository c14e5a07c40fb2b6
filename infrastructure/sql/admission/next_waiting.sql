-- The first in each line of the scope, and of those who may start the first of all. Nothing is locked: this only tells
-- whose line to lock.
with lanes as (
    select job_type, key from app.runs
    where run_id = %(run)s and not admitted and finished_at is null
    union
    select job_type, key from app.runs
    where key = %(key)s and key <> '' and not admitted and finished_at is null
    union
    select job_type, key from app.runs
    where job_type = %(job_type)s and not admitted and finished_at is null
    union
    select w.job_type, w.key from app.dependencies d
    join app.runs w on w.run_id = d.run_id and not w.admitted and w.finished_at is null
    where d.on_run = %(ended)s
    union
    select job_type, key from app.runs
    where %(everything)s and not admitted and finished_at is null
)
select first.job_type, first.key
from lanes l
cross join lateral (
    select * from app.waiting w
    where w.job_type = l.job_type and w.key = l.key and not w.is_early
    order by w.priority desc, w.run_id
    limit 1
) first
where not first.type_full and not first.key_full
  and coalesce(first.type_pause, 0) <= 0 and coalesce(first.key_pause, 0) <= 0
order by first.priority desc, first.run_id
limit 1
