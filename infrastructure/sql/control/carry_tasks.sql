-- What completed is taken over under attempt 0; the others are due again, with what phases of them had made.
with source as (
    select t.*,
           t.status in ('completed', 'skipped') or (t.status = 'failed' and t.idx <> %(only)s::integer) is true as kept
    from app.tasks t
    where t.run_id = %(source)s and t.stage = %(stage)s and t.idx > %(after)s
    order by t.idx
    limit %(limit)s
),
added as (
    insert into app.tasks (run_id, stage, idx, priority, queue, status, started_at, finished_at, arguments,
                           arguments_ref, result, result_ref, error, published_at)
    select %(run_id)s, stage, idx, %(priority)s, %(queue)s, case when kept then status else 'queued' end,
           case when kept then started_at end, case when kept then finished_at end, arguments, arguments_ref,
           case when kept then result end, case when kept then result_ref end, case when kept then error end,
           case when %(published)s and not kept then clock_timestamp() end
    from source
    on conflict do nothing
    returning idx, status
),
phases as (
    insert into app.checkpoints (run_id, stage, idx, name, value, value_ref, kept_at)
    select %(run_id)s, c.stage, c.idx, c.name, c.value, c.value_ref, c.kept_at
    from added a
    join app.checkpoints c on c.run_id = %(source)s and c.stage = %(stage)s and c.idx = a.idx
    where a.status = 'queued'
    on conflict do nothing
)
select (select max(idx) from source) as last, (select array_agg(idx) from added where status = 'queued') as due
