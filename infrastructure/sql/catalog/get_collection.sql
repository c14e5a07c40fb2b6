select pgstac.get_collection(%(name)s)
