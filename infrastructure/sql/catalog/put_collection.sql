select pgstac.upsert_collection(%(content)s::jsonb)
