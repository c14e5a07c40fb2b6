delete from app.outbox
where id in (select id from app.outbox order by id limit %(limit)s for update skip locked)
returning queue, run_id, stage, idx, attempt
