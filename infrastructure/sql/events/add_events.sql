-- Events are numbered without gaps, under the job's row lock, in the transaction of what they tell. Where there are
-- webhooks, the events are given back to be told to them in the same transaction.
with given as (
    select e.run_id, e.what, e.stage, e.idx, e.attempt, e.data, r.job_id,
           row_number() over (partition by r.job_id order by e.n) as place,
           count(*) over (partition by r.job_id) as many
    from unnest(%(run)b::bigint[], %(what)b::text[], %(stage)b::smallint[], %(idx)b::integer[],
                %(attempt)b::integer[], %(data)b::text[])
        with ordinality as e (run_id, what, stage, idx, attempt, data, n)
    join app.runs r on r.run_id = e.run_id
),
locked as (
    select job_id from app.jobs where job_id in (select job_id from given) order by job_id for update
),
numbered as (
    update app.jobs j set events = j.events + g.many
    from locked l
    join (select distinct job_id, many from given) g on g.job_id = l.job_id
    where j.job_id = l.job_id
    returning j.job_id, j.events
),
written as (
    insert into app.events (job_id, number, run_id, what, stage, idx, attempt, data)
    select g.job_id, m.events - g.many + g.place, g.run_id, g.what, g.stage, g.idx, g.attempt, g.data::jsonb
    from given g
    join numbered m on m.job_id = g.job_id
    returning job_id, number
)
select job_id, number from written where exists (select from app.webhooks)
