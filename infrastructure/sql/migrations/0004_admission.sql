-- Code that knows nothing of this writes runs that are let in at once, as before.
alter table app.runs
    add column key          text not null default '',
    add column terms        jsonb,
    add column admitted     boolean not null default true,
    add column admitted_at  timestamptz,
    add column deadline     timestamptz,
    add column paused_at    timestamptz;
comment on column app.runs.key is 'Runs of equal key take turns; empty where a run takes none.';
comment on column app.runs.terms is 'How many of that key may run at once, how fast they may start, how long this one may take.';
comment on column app.runs.admitted is 'Whether the run was let in. Until then it has no stage, so there is nothing to claim.';
create index runs_waiting on app.runs (job_type, key, priority desc, run_id) where not admitted and finished_at is null;
create index runs_waiting_for_key on app.runs (key, job_type) where not admitted and finished_at is null and key <> '';
create index runs_holding on app.runs (key, run_id) where admitted and finished_at is null and key <> '';
create index runs_running on app.runs (job_type) where admitted and finished_at is null;
create index runs_deadlines on app.runs (deadline) where finished_at is null and deadline is not null;

alter table app.stages
    add column deadline timestamptz,
    add column error    jsonb;
comment on column app.stages.error is 'Why the stage was given up, where that was none of its tasks.';
create index stages_deadlines on app.stages (deadline) where status in ('expanding', 'open') and deadline is not null;

create table app.dependencies (
    run_id          bigint not null,
    on_run          bigint not null,
    on_job          text not null,
    needs_success   boolean not null,
    primary key (run_id, on_run),
    check (on_run < run_id)
);
comment on table app.dependencies is 'Runs wait for runs that were there before them, so no circle can ever close.';
create index dependencies_on on app.dependencies (on_run);

create table app.limits (
    job_type        text primary key,
    max_running     integer check (max_running >= 0),
    rate_count      integer check (rate_count > 0),
    rate_seconds    float8 check (rate_seconds > 0),
    set_by          text not null,
    set_at          timestamptz not null default clock_timestamp(),
    check ((rate_count is null) = (rate_seconds is null))
);

create table app.buckets (
    lane    text primary key,
    tokens  float8 not null,
    at      timestamptz not null
) with (fillfactor = 50);
comment on table app.buckets is 'Starts that a rate still allows. No row is a full bucket.';

-- Every run that waits, and what for. Columns that nobody asks for cost nothing.
create view app.waiting as
select w.run_id, w.job_id, w.job_type, w.key, w.priority, w.created_at,
       rate.count as rate_count, rate.seconds as rate_seconds,
       key_rate.count as key_count, key_rate.seconds as key_seconds,
       m.max_running, (w.terms ->> 'at_most')::integer as at_most,
       exists (
           select from app.dependencies d
           left join app.runs o on o.run_id = d.on_run
           where d.run_id = w.run_id
             and case when o.run_id is not null and o.finished_at is null then true
                      else d.needs_success and coalesce(o.status, '') not in ('completed', 'completed_with_errors') end
       ) as is_early,
       coalesce((
           select count(*) from (
               select from app.runs r
               where r.job_type = w.job_type and r.admitted and r.finished_at is null
               limit m.max_running
           ) running
       ) >= m.max_running, false) as type_full,
       w.key <> '' and coalesce((
           select count(*) from (
               select from app.runs h
               where h.key = w.key and h.key <> '' and h.admitted and h.finished_at is null
               limit (w.terms ->> 'at_most')::integer
           ) holders
       ) >= (w.terms ->> 'at_most')::integer, false) as key_full,
       coalesce((
           select 1 - b.tokens - extract(epoch from clock_timestamp() - b.at) * rate.count / rate.seconds
           from app.buckets b where b.lane = 'type:' || w.job_type and rate.count is not null
       ), 0) * rate.seconds / rate.count as type_pause,
       coalesce((
           select 1 - b.tokens - extract(epoch from clock_timestamp() - b.at) * key_rate.count / key_rate.seconds
           from app.buckets b where b.lane = 'key:' || w.key and key_rate.count is not null
       ), 0) * key_rate.seconds / key_rate.count as key_pause
from app.runs w
left join app.limits m on m.job_type = w.job_type
cross join lateral (
    select coalesce(m.rate_count, (w.terms -> 'rate' ->> 'count')::integer) as count,
           coalesce(m.rate_seconds, (w.terms -> 'rate' ->> 'seconds')::float8) as seconds
) rate
cross join lateral (
    select (w.terms -> 'key_rate' ->> 'count')::integer as count,
           (w.terms -> 'key_rate' ->> 'seconds')::float8 as seconds
) key_rate
where not w.admitted and w.finished_at is null and w.status = 'queued';
