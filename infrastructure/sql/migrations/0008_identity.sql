create table app.keys (
    key_id          text primary key,
    number          bigint generated always as identity unique,
    digest          bytea not null,
    name            text not null,
    role            text not null check (role in ('reader', 'submitter', 'approver', 'operator')),
    job_types       text[],
    created_by      text not null,
    created_at      timestamptz not null default clock_timestamp(),
    expires_at      timestamptz,
    revoked_at      timestamptz,
    last_used_at    timestamptz
);
comment on table app.keys is 'API keys. What a caller sends is kept as a SHA-256 digest only; a revoked key stays.';

create table app.audit (
    id      bigint generated always as identity primary key,
    at      timestamptz not null default clock_timestamp(),
    by      text not null,
    action  text not null,
    subject text not null,
    data    jsonb
);
comment on table app.audit is 'Who changed what, where the change is no job''s: those stand in app.events.';
create index audit_by_time on app.audit (at);
create index audit_by_actor on app.audit (split_part(by, ' ', 1), id desc);
create index audit_by_action on app.audit (action, id desc);
