select s.schemaname || '.' || s.relname as name,
       greatest(c.reltuples, 0)::bigint as rows,
       s.n_dead_tup as dead_rows,
       pg_table_size(s.relid) as bytes,
       pg_indexes_size(s.relid) as index_bytes,
       greatest(s.last_vacuum, s.last_autovacuum) as vacuumed_at,
       greatest(s.last_analyze, s.last_autoanalyze) as analyzed_at
from pg_stat_user_tables s
join pg_class c on c.oid = s.relid
where s.schemaname = 'app'
order by pg_total_relation_size(s.relid) desc, name
