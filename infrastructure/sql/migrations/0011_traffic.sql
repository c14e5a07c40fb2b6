-- Figures for the history: tasks add what they moved, by the hour and the type of their job.
create table app.traffic (
    hour        timestamptz not null,
    job_type    text not null,
    bytes_in    bigint not null,
    bytes_out   bigint not null,
    primary key (hour, job_type)
);
comment on column app.traffic.bytes_in is 'Read from storage and from the internet.';
comment on column app.traffic.bytes_out is 'Written to storage.';
