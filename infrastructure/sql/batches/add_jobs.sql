insert into app.batch_jobs (batch_id, idx, job_type, job_id, parameters, force, outcome, reason)
select %(batch_id)s, given.idx, given.job_type, given.job_id, given.parameters::jsonb, given.force, given.outcome, given.reason
from unnest(%(idx)s::integer[], %(job_type)s::text[], %(job_id)s::text[], %(parameters)s::text[], %(force)s::boolean[],
            %(outcome)s::text[], %(reason)s::text[])
     as given (idx, job_type, job_id, parameters, force, outcome, reason)
