-- One stage, its tasks, and what must happen once: each execution of an attempt, the next stage.
CREATE SCHEMA fan_in;
CREATE TABLE fan_in.stage (status text NOT NULL DEFAULT 'open', closed_by text, remaining int NOT NULL);
CREATE TABLE fan_in.task (
    idx int PRIMARY KEY,
    status text NOT NULL DEFAULT 'queued',
    attempt int NOT NULL DEFAULT 0,
    worker text
);
CREATE TABLE fan_in.execution (idx int NOT NULL, attempt int NOT NULL);
CREATE TABLE fan_in.next_stage (built_by text NOT NULL);
