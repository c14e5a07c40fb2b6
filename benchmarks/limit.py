"""A small PostgreSQL limit of our own: the least durable work a task needs, when the shared peers are not there."""

from __future__ import annotations

import threading
import time
from uuid import uuid4

import psycopg

BATCH = 500
PROCESSES = 2
SCHEMA = """
create table {name} (i integer primary key, status smallint not null default 0, result jsonb);
insert into {name} select generate_series(1, {n});
create index on {name} (i) where status = 0;
"""
CLAIM = """
with c as (select i from {name} where status = 0 order by i limit {batch} for update skip locked)
update {name} t set status = 1 from c where t.i = c.i returning t.i
"""
COMPLETE = """
update {name} t set status = 2, result = jsonb_build_object('i', t.i) where i = any(%s)
"""


def batch_limit(dsn: str, n: int) -> float:
    """Tasks a second when two connections claim and complete rows in batches, and nothing else."""
    name = f"limit_{uuid4().hex[:8]}"
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(SCHEMA.format(name=name, n=n))
        threads = [threading.Thread(target=_work, args=(dsn, name)) for _ in range(PROCESSES)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.perf_counter() - began
        conn.execute(f"drop table {name}")
    return n / took


def _work(dsn: str, name: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        while rows := conn.execute(CLAIM.format(name=name, batch=BATCH)).fetchall():
            conn.execute(COMPLETE.format(name=name), [[i for (i,) in rows]])


def commit_seconds(dsn: str, count: int = 200) -> list[float]:
    """How long single durable commits of one small row take."""
    name = f"commits_{uuid4().hex[:8]}"
    times: list[float] = []
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(f"create table {name} (i integer primary key)")
        for i in range(count):
            began = time.perf_counter()
            conn.execute(f"insert into {name} values (%s)", [i])
            times.append(time.perf_counter() - began)
        conn.execute(f"drop table {name}")
    return times
