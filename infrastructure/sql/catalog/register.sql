-- pgSTAC makes the hash, so it is the one that every reader of pgSTAC computes.
select hash from pgstac.search_query(%(query)s::jsonb)
