-- Only now can the stage close: all of its tasks are there.
update app.stages s
set status = 'open',
    total = (select count(*) from app.tasks t where t.run_id = s.run_id and t.stage = s.stage and t.idx >= 0)
where s.run_id = %(run_id)s and s.stage = %(stage)s and s.status = 'expanding'
returning total
