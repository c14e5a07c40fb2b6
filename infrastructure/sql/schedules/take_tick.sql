-- A second scheduler waits here for the first, and then finds the row.
insert into app.schedule_ticks (schedule_id, tick, manual, outcome, reason, by)
values (%(schedule_id)s, %(tick)s, %(manual)s, %(outcome)s, %(reason)s, %(by)s)
on conflict (schedule_id, tick, manual) do nothing
