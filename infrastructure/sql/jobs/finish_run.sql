-- The result is that of the last stage; the error is the one given, else that of a stage that did not hold: its own, or
-- the first failure in it.
update app.runs r
set status = %(status)s,
    finished_at = clock_timestamp(),
    started_at = coalesce(r.started_at, case when r.admitted then clock_timestamp() end),
    result = done.result,
    result_ref = done.result_ref,
    error = coalesce(%(why)s::jsonb, case when %(status)s = 'failed' then coalesce(late.error, failed.error) end)
from (values (1)) as one (row)
left join lateral (
    select t.result, t.result_ref
    from app.tasks t
    where t.run_id = %(home)s and t.stage = %(last)s and t.idx = 0 and t.status = 'completed' and %(has_result)s
) done on true
left join lateral (
    select s.error || jsonb_build_object('stage', s.name) as error
    from app.stages s
    where s.run_id = %(run_id)s and s.verdict = 'failed' and s.error is not null
    order by s.stage
    limit 1
) late on true
left join lateral (
    select t.error || jsonb_build_object('stage', s.name, 'task',
           t.run_id || '-' || t.stage || '-' || case t.idx when -1 then 'plan' else t.idx::text end) as error
    from app.stages s
    join app.tasks t on t.run_id = s.run_id and t.stage = s.stage and t.status = 'failed'
    where s.run_id = %(run_id)s and s.verdict = 'failed'
    order by t.finished_at, t.idx
    limit 1
) failed on true
where r.run_id = %(run_id)s
