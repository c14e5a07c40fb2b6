insert into app.batches (name, total, created_by) values (%(name)s, %(total)s, %(by)s) returning batch_id
