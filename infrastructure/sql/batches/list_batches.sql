select batch_id, name, total, created_at, created_by
from app.batches
where %(before)s::bigint is null or batch_id < %(before)s
order by batch_id desc
limit %(limit)s
