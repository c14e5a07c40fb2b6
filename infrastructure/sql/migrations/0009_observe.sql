alter table app.runs add column if not exists trace text;
comment on column app.runs.trace is 'The trace of the submission (a W3C traceparent), which spans of its tasks are linked to.';

create table app.task_logs (
    run_id   bigint not null,
    stage    smallint not null,
    idx      integer not null,
    attempt  integer not null,
    number   integer not null,
    id       bigint generated always as identity,
    at       timestamptz not null,
    level    smallint not null,
    logger   text not null,
    message  text not null,
    kept_at  timestamptz not null default clock_timestamp(),
    primary key (run_id, stage, idx, attempt, number)
);
comment on table app.task_logs is 'What tasks wrote to their logs: of every attempt the last lines. Removed by kept_at.';
comment on column app.task_logs.at is 'By the clock of the worker that wrote the line.';
comment on column app.task_logs.id is 'Rises with every line of a run in the order of commits, so that whoever reads on misses none.';
create index task_logs_in_order on app.task_logs (run_id, id);
-- Written in the order of time and never changed: a few pages tell where the old ones are.
create index task_logs_by_time on app.task_logs using brin (kept_at);
