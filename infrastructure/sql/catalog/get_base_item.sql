select base_item, base_item_id from pgstac.current_base_item(%(name)s)
