-- A task per result of the source stage, under the same index: that is its lineage.
with source as (
    select idx, result, result_ref from app.tasks
    where run_id = %(source_run)s and stage = %(source)s and idx > %(after)s and status = 'completed'
    order by idx
    limit %(limit)s
),
added as (
    insert into app.tasks (run_id, stage, idx, priority, queue, arguments, arguments_ref, published_at)
    select %(run_id)s, %(stage)s, idx, %(priority)s, %(queue)s, result, result_ref,
           case when %(published)s then clock_timestamp() end
    from source
    on conflict do nothing
    returning idx
)
select (select max(idx) from source) as last, (select array_agg(idx) from added) as added
