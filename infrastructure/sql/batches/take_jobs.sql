-- Whoever asks and whoever tidies up may work on one batch at a time; a job that another one has in hand is passed over.
-- By job id, so that two batches with the same jobs cannot embrace.
with taken as materialized (
    select b.idx, b.job_type, b.job_id, b.parameters, b.force, b.outcome
    from app.batch_jobs b
    where b.batch_id = %(batch_id)s and b.outcome = 'due'
    order by b.idx
    limit %(limit)s
    for update skip locked
)
select idx, job_type, job_id, parameters, force, outcome from taken order by job_id, idx
