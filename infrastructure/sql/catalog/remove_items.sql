delete from pgstac.items where collection = %(name)s and id = any(%(id)s::text[])
