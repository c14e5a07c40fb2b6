-- The partitions that hold these moments, made or widened where they must be.
select pgstac.check_partition(c.id, tstzrange(min(t.first), max(t.first), '[]'), tstzrange(min(t.last), max(t.last), '[]'))
from pgstac.collections c, unnest(%(datetime)s::timestamptz[], %(end_datetime)s::timestamptz[]) t (first, last)
where c.id = %(name)s
group by c.id, date_trunc(c.partition_trunc, t.first)
order by date_trunc(c.partition_trunc, t.first)
