insert into pgstac.items_staging_upsert (content) select unnest(%(items)s::text[])::jsonb
