insert into pgstac.collections (content) values (%(content)s::jsonb) on conflict (id) do nothing
