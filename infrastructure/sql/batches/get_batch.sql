select batch_id, name, total, created_at, created_by from app.batches where batch_id = %(batch_id)s
