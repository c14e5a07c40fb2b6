select s.schedule_id
from app.schedules s
where s.deleted_at is null and s.paused_at is null and s.job_type = any(%(job_types)s::text[])
  and (s.look_at <= clock_timestamp()
       or exists (select from app.schedule_ticks t where t.schedule_id = s.schedule_id and t.outcome = 'waiting'))
order by s.look_at, s.schedule_id
limit %(limit)s
