-- How many is counted up to a limit: beyond it, only that there are many matters.
select (select count(*) from (select from app.outbox limit %(limit)s) counted) as outbox,
       (select extract(epoch from clock_timestamp() - o.at)::float8 from app.outbox o order by o.id limit 1) as outbox_oldest,
       (select count(*) from (select from app.quarantine limit %(limit)s) counted) as quarantined
