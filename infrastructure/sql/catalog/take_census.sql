select
    (select version from pgstac.migrations order by datetime desc, version desc limit 1),
    (select count(*) from pgstac.collections),
    (select count(*) from pgstac.items)
