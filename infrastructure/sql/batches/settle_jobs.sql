update app.batch_jobs b
set outcome = given.outcome, reason = given.reason, run = given.run, is_new = given.is_new, parameters = null,
    at = clock_timestamp()
from unnest(%(idx)s::integer[], %(outcome)s::text[], %(reason)s::text[], %(run)s::integer[], %(is_new)s::boolean[])
     as given (idx, outcome, reason, run, is_new)
where b.batch_id = %(batch_id)s and b.idx = given.idx
