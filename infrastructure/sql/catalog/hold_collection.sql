-- Until commit nobody else adds to this collection, changes it or removes it.
select content from pgstac.collections where id = %(name)s for update
