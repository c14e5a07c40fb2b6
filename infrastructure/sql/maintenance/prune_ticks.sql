-- A tick that is not decided yet stays: its row is what keeps others from submitting it again.
delete from app.schedule_ticks
where id in (
    select t.id from app.schedule_ticks t
    where t.at < clock_timestamp() - %(older)s::interval and t.outcome <> 'waiting'
      and not exists (select from app.schedules s where s.schedule_id = t.schedule_id and s.decided < t.tick)
    order by t.id
    limit %(limit)s
)
