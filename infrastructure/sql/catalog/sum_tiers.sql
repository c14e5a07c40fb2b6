-- Each item tells how many bytes its files take, by tier. What is no number is somebody else's.
select t.key, count(*), sum(t.value::numeric)::bigint
from pgstac.items i, jsonb_each(i.content -> 'properties' -> 'coremachine:bytes') t
where jsonb_typeof(i.content -> 'properties' -> 'coremachine:bytes') = 'object' and jsonb_typeof(t.value) = 'number'
group by 1
order by 1
