select pgstac.search(%(query)s::jsonb)
