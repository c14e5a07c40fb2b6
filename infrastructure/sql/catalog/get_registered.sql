select search from pgstac.searches where hash = %(name)s
