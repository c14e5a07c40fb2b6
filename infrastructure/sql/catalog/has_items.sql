select exists (select from pgstac.items where collection = %(name)s)
