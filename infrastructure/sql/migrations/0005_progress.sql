alter table app.tasks
    add column mark integer not null default 0,
    add column stalled smallint not null default 0;
comment on column app.tasks.mark is 'How many checkpoints the task had when its worker was last lost.';
comment on column app.tasks.stalled is 'Times in a row that it was lost with its worker and had kept nothing new.';
