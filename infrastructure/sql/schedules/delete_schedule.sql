with gone as (
    update app.schedules set deleted_at = clock_timestamp(), deleted_by = %(by)s
    where schedule_id = %(schedule_id)s
    returning schedule_id
)
update app.schedule_ticks t set outcome = 'skipped', reason = 'the schedule was deleted', at = clock_timestamp()
from gone
where t.schedule_id = gone.schedule_id and t.outcome = 'waiting'
