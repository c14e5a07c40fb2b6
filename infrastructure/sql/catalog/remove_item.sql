select pgstac.delete_item(%(name)s, %(collection)s)
