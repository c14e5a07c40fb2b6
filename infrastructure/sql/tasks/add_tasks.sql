insert into app.tasks (run_id, stage, idx, priority, queue, status, arguments, arguments_ref, published_at)
select %(run_id)s, %(stage)s, n.idx, %(priority)s, %(queue)s, %(status)s, n.arguments::jsonb, n.ref,
       case when %(published)s then clock_timestamp() end
from unnest(%(idx)b::integer[], %(arguments)b::text[], %(refs)b::text[]) as n (idx, arguments, ref)
on conflict do nothing
returning idx
