create table app.webhooks (
    webhook_id  uuid primary key default gen_random_uuid(),
    url         text not null,
    description text not null default '',
    events      text[] not null default '{}',
    job_types   text[] not null default '{}',
    prefix      text not null default '',
    state       text not null default 'active' check (state in ('active', 'paused', 'disabled')),
    reason      text,
    failures    integer not null default 0,
    rests_until timestamptz,
    doubtful    boolean not null default true,
    created_at  timestamptz not null default clock_timestamp(),
    created_by  text not null,
    changed_at  timestamptz not null default clock_timestamp(),
    changed_by  text not null
);
comment on column app.webhooks.failures is 'Attempts in a row that failed; from a number on the circuit is open.';
comment on column app.webhooks.doubtful is 'Not proven yet, failing or slow: such targets may take only a part of the senders.';

create table app.webhook_secrets (
    webhook_id  uuid not null,
    secret      text not null,
    created_at  timestamptz not null default clock_timestamp(),
    valid_until timestamptz not null default 'infinity',
    primary key (webhook_id, secret)
);
comment on table app.webhook_secrets is 'As they are: to sign takes the secret itself. Only the claim of a delivery reads them.';

create table app.deliveries (
    delivery    bigint generated always as identity primary key,
    message     uuid not null default gen_random_uuid(),
    webhook_id  uuid not null,
    kind        text not null,
    run_id      bigint,
    number      bigint,
    happened    timestamptz not null default clock_timestamp(),
    told        jsonb not null default '{}',
    status      text not null default 'waiting' check (status in ('waiting', 'sending', 'delivered', 'failed')),
    attempt     integer not null default 0,
    tries       integer not null default 0,
    due_at      timestamptz not null default clock_timestamp(),
    ended_at    timestamptz
);
comment on table app.deliveries is 'An event for a webhook, written by the statement that writes the event. No foreign key: events wait for nobody.';
comment on column app.deliveries.message is 'Names the event to the receiver, at every attempt and replay.';
comment on column app.deliveries.attempt is 'The fencing token: raised by every claim, named by whoever settles.';
comment on column app.deliveries.tries is 'Attempts since it was written or replayed; they run out.';
comment on column app.deliveries.due_at is 'When it may be sent; while it is being sent, when its sender is taken for dead.';
create unique index deliveries_once on app.deliveries (webhook_id, run_id, number) where run_id is not null;
create index deliveries_open on app.deliveries (webhook_id, due_at) where status in ('waiting', 'sending');
create index deliveries_by_webhook on app.deliveries (webhook_id, delivery desc);
create index deliveries_by_time on app.deliveries (happened);

create table app.delivery_attempts (
    delivery        bigint not null,
    attempt         integer not null,
    at              timestamptz not null default clock_timestamp(),
    status_code     integer,
    milliseconds    integer not null,
    error           text not null,
    answer          text not null,
    primary key (delivery, attempt)
);

create function app.wants(hook app.webhooks, kind text, job_type text, job_id text) returns boolean
language sql immutable
return hook.state <> 'disabled'
    and (hook.events = '{}' or kind = any(hook.events) or split_part(kind, '.', 1) || '.*' = any(hook.events))
    and (hook.job_types = '{}' or job_type = any(hook.job_types))
    and starts_with(job_id, hook.prefix);
comment on function app.wants is 'Whether a webhook wants to hear of an event.';
