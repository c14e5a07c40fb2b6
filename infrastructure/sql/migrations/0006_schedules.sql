create table app.schedules (
    schedule_id bigint generated always as identity primary key,
    name        text not null,
    job_type    text not null,
    parameters  jsonb not null,
    cron        text not null,
    zone        text not null,
    overlap     text not null check (overlap in ('skip', 'queue', 'allow')),
    catch_up    text not null check (catch_up in ('none', 'last', 'all')),
    backlog     integer not null,
    owner       text not null check (owner in ('class', 'person')),
    decided     timestamptz not null default clock_timestamp(),
    look_at     timestamptz default clock_timestamp(),
    last_job    text,
    paused_at   timestamptz,
    paused_by   text,
    created_at  timestamptz not null default clock_timestamp(),
    created_by  text not null,
    changed_at  timestamptz not null default clock_timestamp(),
    changed_by  text not null,
    deleted_at  timestamptz,
    deleted_by  text
);
comment on column app.schedules.decided is 'Ticks up to here have been decided; later ones are still to come.';
comment on column app.schedules.look_at is 'When the scheduler looks again; null for never.';
create unique index schedules_by_name on app.schedules (name collate "C") where deleted_at is null;
create index schedules_of_name on app.schedules (name);

create table app.schedule_ticks (
    id          bigint generated always as identity primary key,
    schedule_id bigint not null,
    tick        timestamptz not null,
    manual      boolean not null default false,
    outcome     text not null check (outcome in ('submitted', 'waiting', 'skipped', 'missed', 'failed')),
    reason      text,
    job_id      text,
    run         integer,
    by          text,
    at          timestamptz not null default clock_timestamp(),
    unique (schedule_id, tick, manual)
);
comment on table app.schedule_ticks is 'One row per tick, whatever the number of schedulers: whoever writes it submits.';
create index schedule_ticks_by_schedule on app.schedule_ticks (schedule_id, id desc);
create index schedule_ticks_waiting on app.schedule_ticks (schedule_id, tick) where outcome = 'waiting';

create table app.templates (
    name        text not null,
    version     integer not null,
    job_type    text not null,
    parameters  jsonb not null,
    description text not null default '',
    created_at  timestamptz not null default clock_timestamp(),
    created_by  text not null,
    deleted_at  timestamptz,
    deleted_by  text,
    primary key (name, version)
);
comment on table app.templates is 'Versions never change; deleting a template marks those it has, and numbers go on after it.';

create table app.template_uses (
    id          bigint generated always as identity primary key,
    name        text not null,
    version     integer not null,
    overrides   jsonb not null,
    job_id      text not null,
    run         integer not null,
    is_new      boolean not null,
    by          text not null,
    at          timestamptz not null default clock_timestamp()
);
create index template_uses_by_name on app.template_uses (name, id desc);

create table app.batches (
    batch_id    bigint generated always as identity primary key,
    name        text,
    total       integer not null,
    created_at  timestamptz not null default clock_timestamp(),
    created_by  text not null
);

create table app.batch_jobs (
    batch_id    bigint not null,
    idx         integer not null,
    job_type    text not null,
    job_id      text,
    parameters  jsonb,
    force       boolean not null default false,
    outcome     text not null check (outcome in ('due', 'submitted', 'refused', 'invalid')),
    reason      text,
    run         integer,
    is_new      boolean,
    at          timestamptz not null default clock_timestamp(),
    primary key (batch_id, idx)
);
comment on column app.batch_jobs.parameters is 'Until the job is submitted; then the job has them.';
create index batch_jobs_due on app.batch_jobs (at) where outcome = 'due';
