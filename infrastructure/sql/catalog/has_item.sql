select exists (select from pgstac.items where collection = %(collection)s and id = %(name)s)
