select pgstac.all_collections()
