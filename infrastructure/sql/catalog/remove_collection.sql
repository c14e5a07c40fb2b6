select pgstac.delete_collection(%(name)s)
