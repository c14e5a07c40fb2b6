select count(*) from (
    select from app.schedule_ticks t
    where t.at < clock_timestamp() - %(older)s::interval and t.outcome <> 'waiting'
      and not exists (select from app.schedules s where s.schedule_id = t.schedule_id and s.decided < t.tick)
    limit %(limit)s
) old
