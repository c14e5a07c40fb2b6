-- In the transaction that wrote the events: what commits late cannot be missed, and what is undone is not told.
with told as (
    insert into app.deliveries (webhook_id, kind, run_id, number, happened, told)
    select w.webhook_id, k.kind, e.run_id, e.number, e.at,
           jsonb_strip_nulls(jsonb_build_object(
               'job_id', e.job_id, 'job_type', r.job_type, 'run', r.number, 'status', r.status, 'event', e.number,
               'stage', (select s.name from app.stages s where s.run_id = e.run_id and s.stage = e.stage),
               'task_id', e.run_id || '-' || e.stage || '-' || e.idx, 'attempt', e.attempt))
           || case when e.data is null then '{}' else jsonb_build_object('details', e.data) end
    from unnest(%(job_id)b::text[], %(number)b::bigint[]) as n (job_id, number)
    join app.events e on e.job_id = n.job_id and e.number = n.number
    join app.runs r on r.run_id = e.run_id
    cross join lateral (select regexp_replace(e.what, '_', '.') as kind) k
    join app.webhooks w on app.wants(w, k.kind, r.job_type, e.job_id)
    returning 1
)
select pg_notify('coremachine', 'webhooks') from told limit 1
