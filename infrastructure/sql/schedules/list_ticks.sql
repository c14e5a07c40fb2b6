select t.tick, t.outcome, t.reason, t.job_id, t.run, t.manual, t.by, t.at, t.id
from app.schedule_ticks t
where t.schedule_id in (select s.schedule_id from app.schedules s where s.name = %(name)s)
  and (%(before)s::bigint is null or t.id < %(before)s)
order by t.id desc
limit %(limit)s
