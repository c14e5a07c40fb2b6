select pgstac.get_item(%(name)s, %(collection)s)
