select w.key, w.at_most, w.max_running, w.rate_count, w.rate_seconds, w.key_count, w.key_seconds,
       w.is_early, w.key_full, w.type_full,
       coalesce(w.type_pause, 0)::float8 as type_pause, coalesce(w.key_pause, 0)::float8 as key_pause,
       array(
           select d.on_job from app.dependencies d
           join app.runs o on o.run_id = d.on_run and o.finished_at is null
           where d.run_id = w.run_id
           order by d.on_run
       ) as awaited,
       array(
           select h.job_id from app.runs h
           where h.key = w.key and h.key <> '' and h.admitted and h.finished_at is null
           order by h.run_id
           limit 10
       ) as holders,
       (
           select count(*) from app.runs a
           where a.job_type = w.job_type and a.key = w.key and not a.admitted and a.finished_at is null
             and (a.priority > w.priority or (a.priority = w.priority and a.run_id < w.run_id))
       ) as ahead
from app.waiting w
where w.run_id = %(run_id)s
