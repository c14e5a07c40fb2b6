-- A statement of its own after the locks: a new snapshot, which sees all who were let in before.
select first.run_id, first.rate_count, first.rate_seconds, first.key_count, first.key_seconds
from (
    select * from app.waiting w
    where w.job_type = %(job_type)s and w.key = %(key)s and not w.is_early
    order by w.priority desc, w.run_id
    limit 1
) first
where not first.type_full and not first.key_full
  and coalesce(first.type_pause, 0) <= 0 and coalesce(first.key_pause, 0) <= 0
