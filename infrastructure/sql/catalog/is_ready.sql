-- Whether items can be added without making a table: the collection exists, and so does its partition.
select exists (
    select from pgstac.partition_stats p join pgstac.collections c on c.id = p.collection where c.id = %(name)s
)
