-- Keys that somebody holds or waits for, in order. Each of the two indexes gives its first ones.
with held as (
    select distinct key from app.runs
    where key > %(after)s and key <> '' and admitted and finished_at is null
    order by key
    limit %(limit)s
),
awaited as (
    select distinct key from app.runs
    where key > %(after)s and key <> '' and not admitted and finished_at is null
    order by key
    limit %(limit)s
),
keys as (
    select key from held union select key from awaited order by key limit %(limit)s
)
select k.key,
       (
           select (r.terms ->> 'at_most')::integer from app.runs r
           where r.key = k.key and r.key <> '' and r.finished_at is null
           order by r.run_id desc
           limit 1
       ) as at_most,
       (
           select jsonb_agg(to_jsonb(h) order by h.since) from (
               select job_id, job_type, number as run, status, priority, admitted_at as since from app.runs
               where key = k.key and key <> '' and admitted and finished_at is null
               order by run_id
               limit 100
           ) h
       ) as holders,
       (
           select count(*) from app.runs where key = k.key and key <> '' and not admitted and finished_at is null
       ) as waiting,
       (
           select jsonb_agg(to_jsonb(n) - 'run_id' order by n.priority desc, n.run_id) from (
               select run_id, job_id, job_type, number as run, status, priority, created_at as since from app.runs
               where key = k.key and key <> '' and not admitted and finished_at is null
               order by priority desc, run_id
               limit 10
           ) n
       ) as next
from keys k
order by k.key
