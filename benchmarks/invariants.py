"""Proves from the tables alone that nothing was lost, repeated or forgotten: `python -m benchmarks.invariants <dsn>`.

It reads one snapshot and may run beside a living system. I8 (no missing blob) needs the storage
and is not asked here. What may be late without being wrong has `--grace` seconds to be put right.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

GRACE = 60.0


@dataclass(frozen=True)
class Invariant:
    """A sentence that must hold, and queries that find whatever contradicts it, one line each."""

    code: str
    holds: str
    queries: Sequence[str]


OPEN = "('queued', 'processing', 'waiting')"
RUNNING = "('expanding', 'open')"
FINAL = "('completed', 'completed_with_errors', 'failed', 'cancelled')"
ENDED = "('job_completed', 'job_completed_with_errors', 'job_failed', 'job_cancelled')"
ATTEMPT_ENDED = "('task_failed', 'task_retried', 'task_lost', 'decision_needed')"
AT_HOME = """
        join app.runs r on r.run_id = s.run_id
        left join app.tasks t on t.stage = s.stage and t.run_id = case
            when (r.plan -> s.stage::int -> 'carried' ->> 'whole')::boolean
            then (r.plan -> s.stage::int -> 'carried' ->> 'run')::bigint else s.run_id end"""
"""The tasks of a stage, also where another run keeps them."""
LATE = "clock_timestamp() - make_interval(secs => %(grace)s)"

I1 = Invariant(
    "I1",
    "A closed stage has no open task.",
    [
        f"""
        select format('stage %%s-%%s is closed, but task %%s is %%s', t.run_id, t.stage, t.idx, t.status)
        from app.stages s join app.tasks t using (run_id, stage)
        where s.status = 'closed' and t.status in {OPEN}
        """
    ],
)

I2 = Invariant(
    "I2",
    "Each stage is opened once and closed once.",
    [
        """
        select format('stage %%s-%%s is %%s and was closed %%s times', s.run_id, s.stage, s.status, count(e))
        from app.stages s
        left join app.events e on e.run_id = s.run_id and e.stage = s.stage
             and e.what in ('stage_closed', 'stage_skipped', 'stage_carried')
        group by s.run_id, s.stage, s.status
        having count(e) <> (s.status = 'closed')::int
        """,
        """
        select format('stage %%s-%%s was opened %%s times', s.run_id, s.stage, count(e))
        from app.stages s
        left join app.events e on e.run_id = s.run_id and e.stage = s.stage
             and e.what in ('stage_opened', 'stage_skipped', 'stage_carried')
        group by s.run_id, s.stage
        having count(e) <> 1
        """,
        """
        select format('stage %%s-%%s was opened before stage %%s closed, which it waits for', e.run_id, e.stage, a.n)
        from app.events e
        join app.runs r on r.run_id = e.run_id
        cross join lateral jsonb_array_elements(
            (r.plan -> e.stage::int -> 'after') || (r.plan -> e.stage::int -> 'reads')) as a (n)
        left join app.events c on c.run_id = e.run_id and c.stage = a.n::int
             and c.what in ('stage_closed', 'stage_skipped', 'stage_carried') and c.number < e.number
        where e.what = 'stage_opened' and c.number is null
        """,
    ],
)

I3 = Invariant(
    "I3",
    "A job that ended has no running stage; one that has not ended has one, of its newest run.",
    [
        f"""
        select format('run %%s is %%s, but its stage %%s is %%s', r.run_id, r.status, s.stage, s.status)
        from app.runs r join app.stages s using (run_id)
        where r.status in {FINAL} and s.status in {RUNNING}
        """,
        f"""
        select format('run %%s is %%s for ever: none of its stages is running', r.run_id, r.status)
        from app.runs r
        where r.status not in {FINAL} and r.admitted
          and not exists (select from app.stages s where s.run_id = r.run_id and s.status in {RUNNING})
        """,
        f"""
        select format('run %%s is %%s, but finished_at says otherwise', run_id, status)
        from app.runs where (status in {FINAL}) <> (finished_at is not null)
        """,
        f"""
        select format('run %%s of job %%s is %%s, though a newer run replaced it', r.run_id, r.job_id, r.status)
        from app.jobs j join app.runs r using (job_id)
        where r.run_id <> j.run_id
          and (r.status not in {FINAL} or r.number > (select number from app.runs c where c.run_id = j.run_id))
        """,
    ],
)

I4 = Invariant(
    "I4",
    "Each attempt of a task has at most one accepted outcome.",
    [
        f"""
        select format('attempt %%s of task %%s-%%s-%%s ended %%s times', attempt, run_id, stage, idx, count(*))
        from app.events where what in {ATTEMPT_ENDED}
        group by run_id, stage, idx, attempt having count(*) > 1
        """,
        f"""
        select format('attempt %%s of task %%s-%%s-%%s completed, and is told as %%s',
                      t.attempt, t.run_id, t.stage, t.idx, e.what)
        from app.tasks t
        join app.events e on (e.run_id, e.stage, e.idx, e.attempt) = (t.run_id, t.stage, t.idx, t.attempt)
        where t.status = 'completed' and e.what in {ATTEMPT_ENDED}
        """,
        """
        select format('task %%s-%%s-%%s failed, and that is told %%s times', t.run_id, t.stage, t.idx, count(e))
        from app.tasks t
        left join app.events e on (e.run_id, e.stage, e.idx) = (t.run_id, t.stage, t.idx)
             and e.what in ('task_failed', 'gate_rejected')
        where t.status = 'failed' and t.attempt > 0
        group by t.run_id, t.stage, t.idx having count(e) <> 1
        """,
        """
        select format('task %%s-%%s-%%s counts %%s failures, but only %%s are told', t.run_id, t.stage, t.idx,
                      t.failures, count(e))
        from app.tasks t
        left join app.events e on (e.run_id, e.stage, e.idx) = (t.run_id, t.stage, t.idx)
             and e.what in ('task_failed', 'task_retried', 'task_lost')
        where t.failures > 0
        group by t.run_id, t.stage, t.idx having count(e) < t.failures
        """,
    ],
)

I5 = Invariant(
    "I5",
    "A stage has as many tasks as it declared, and its counts are theirs.",
    [
        f"""
        select format('stage %%s-%%s declared %%s tasks and has %%s', s.run_id, s.stage, s.total,
                      count(t) filter (where t.idx >= 0))
        from app.stages s {AT_HOME}
        where s.status in ('open', 'closed')
        group by s.run_id, s.stage, s.total
        having count(t) filter (where t.idx >= 0) <> s.total
           and coalesce(bool_and(t.status = 'completed') filter (where t.idx = -1), true)
        """,
        f"""
        select format('stage %%s-%%s closed with %%s completed and %%s failed, its tasks say %%s and %%s', s.run_id,
                      s.stage, s.completed, s.failed, count(t) filter (where t.status = 'completed' and t.idx >= 0),
                      count(t) filter (where t.status = 'failed'))
        from app.stages s {AT_HOME}
        where s.status = 'closed'
        group by s.run_id, s.stage, s.completed, s.failed, s.cancelled, s.skipped
        having (s.completed, s.failed, s.cancelled, s.skipped) <> (
            count(t) filter (where t.status = 'completed' and t.idx >= 0),
            count(t) filter (where t.status = 'failed'),
            count(t) filter (where t.status = 'cancelled'),
            count(t) filter (where t.status = 'skipped'))
        """,
    ],
)

I6 = Invariant(
    "I6",
    "Every open task has an owner with a lease, a message on its way, or a moment when it is due.",
    [
        """
        select format('task %%s-%%s-%%s is processing without an owner or a deadline', run_id, stage, idx)
        from app.tasks where status = 'processing' and (session is null or deadline is null)
        """,
        """
        select format('task %%s-%%s-%%s is %%s, yet owned', run_id, stage, idx, status)
        from app.tasks where status <> 'processing' and (session is not null or deadline is not null)
        """,
        f"""
        select format('task %%s-%%s-%%s is processing on a lease that ended long ago', t.run_id, t.stage, t.idx)
        from app.tasks t left join app.sessions w on w.session = t.session
        where t.status = 'processing'
          and (t.deadline < {LATE} or coalesce(w.seen, t.started_at) < {LATE})
        """,
        f"""
        select format('task %%s-%%s-%%s waits for nothing: its run is %%s', t.run_id, t.stage, t.idx, r.status)
        from app.tasks t join app.runs r using (run_id)
        where t.status = 'waiting' and t.run_at is null and r.status <> 'paused'
          and not exists (
              select from app.events e
              where e.run_id = r.run_id and e.what in ('job_resumed', 'job_cancelled') and e.at >= {LATE})
        """,
        f"""
        select format('task %%s-%%s-%%s is due, though its run has long been paused', t.run_id, t.stage, t.idx)
        from app.tasks t join app.runs r using (run_id)
        where t.status = 'queued' and r.status = 'paused'
          and not exists (select from app.events e where e.run_id = r.run_id and e.at >= {LATE})
        """,
        f"""
        select format('task %%s-%%s-%%s has been due since %%s', run_id, stage, idx, run_at)
        from app.tasks where status = 'waiting' and run_at < {LATE}
        """,
        f"""
        select format('task %%s-%%s-%%s waits for a message that was lost', t.run_id, t.stage, t.idx)
        from app.tasks t
        where t.status = 'queued' and t.published_at < {LATE}
          and not exists (
              select from app.outbox o
              where (o.run_id, o.stage, o.idx, o.attempt) = (t.run_id, t.stage, t.idx, t.attempt))
        """,
        f"""
        select format('stage %%s-%%s was forgotten: it is %%s, though nothing in it is open', s.run_id, s.stage, s.status)
        from app.stages s
        where s.status in {RUNNING} and s.opened_at < {LATE}
          and not exists (
              select from app.tasks t
              where t.run_id = s.run_id and t.stage = s.stage
                and (t.status in {OPEN} or t.finished_at >= {LATE}))
        """,
        f"""
        select format('run %%s ended long ago, but task %%s-%%s of it is still %%s', r.run_id, t.stage, t.idx, t.status)
        from app.runs r join app.tasks t using (run_id)
        where t.status in {OPEN} and (r.swept or r.finished_at < {LATE})
        """,
    ],
)

I7 = Invariant(
    "I7",
    "A job's events are numbered without gaps.",
    [
        """
        select format('job %%s has given %%s numbers, has %%s events, the last is %%s', j.job_id, j.events, count(e),
                      max(e.number))
        from app.jobs j left join app.events e using (job_id)
        group by j.job_id, j.events
        having count(e) <> j.events or coalesce(min(e.number), 1) <> 1
            or coalesce(max(e.number), 0) <> j.events
        """,
        """
        select format('event %%s of job %%s belongs to no job', number, job_id)
        from app.events e where not exists (select from app.jobs j where j.job_id = e.job_id)
        """,
    ],
)

I9 = Invariant(
    "I9",
    "What is final stays as it is.",
    [
        f"""
        select format('run %%s ended %%s times', r.run_id, count(e))
        from app.runs r left join app.events e on e.run_id = r.run_id and e.what in {ENDED}
        group by r.run_id, r.status having count(e) <> (r.status in {FINAL})::int
        """,
        f"""
        select format('run %%s is %%s, and is told as %%s', r.run_id, r.status, e.what)
        from app.runs r join app.events e on e.run_id = r.run_id and e.what in {ENDED}
        where e.what <> 'job_' || r.status
        """,
        f"""
        select format('run %%s had ended when %%s came', e.run_id, later.what)
        from app.events e
        join app.events later on later.run_id = e.run_id and later.number > e.number
        where e.what in {ENDED}
          and later.what in ('job_admitted', 'job_started', 'stage_opened', 'stage_planned', 'stage_closed', 'stage_skipped',
                             'stage_carried', 'job_paused', 'job_resumed')
        """,
        """
        select format('run %%s takes over stage %%s of run %%s, which had not closed well', r.run_id, p.n - 1, c.run)
        from app.runs r
        cross join lateral jsonb_array_elements(r.plan) with ordinality as p (stage, n)
        cross join lateral (select (p.stage -> 'carried' ->> 'run')::bigint as run) c
        left join app.stages s on s.run_id = c.run and s.stage = p.n - 1
        where (p.stage -> 'carried' ->> 'whole')::boolean and coalesce(s.verdict, 'failed') = 'failed'
        """,
        """
        select format('task %%s-%%s-%%s had failed for good, and is %%s', t.run_id, t.stage, t.idx, t.status)
        from app.events e join app.tasks t on (t.run_id, t.stage, t.idx) = (e.run_id, e.stage, e.idx)
        where e.what in ('task_failed', 'gate_rejected') and t.status <> 'failed'
        """,
        """
        select format('task %%s-%%s-%%s is %%s without having ended', run_id, stage, idx, status)
        from app.tasks
        where (status in ('completed', 'failed', 'cancelled')) <> (finished_at is not null)
        """,
        f"""
        select format('stage %%s-%%s was cancelled, but its run is %%s', s.run_id, s.stage, r.status)
        from app.stages s join app.runs r using (run_id)
        where s.status = 'cancelled' and r.status not in {FINAL}
        """,
    ],
)

I10 = Invariant(
    "I10",
    "No more runs of a key run at once than it allows, and a run that waits has nothing open.",
    [
        f"""
        select format('%%s runs of key %%s run at once, and %%s may', count(*), r.key, max((r.terms ->> 'at_most')::int))
        from app.runs r
        where r.admitted and r.status not in {FINAL} and r.key <> ''
        group by r.key having count(*) > max((r.terms ->> 'at_most')::int)
        """,
        f"""
        select format('run %%s was not let in, but stage %%s of it is %%s', r.run_id, s.stage, s.status)
        from app.runs r join app.stages s using (run_id) where not r.admitted and s.status in {RUNNING}
        """,
        """
        select format('run %%s was let in %%s times', e.run_id, count(*))
        from app.events e where e.what = 'job_admitted'
        group by e.run_id having count(*) > 1
        """,
    ],
)

INVARIANTS = (I1, I2, I3, I4, I5, I6, I7, I9, I10)


def check(dsn: str, grace: float = GRACE) -> dict[str, list[str]]:
    """What contradicts each invariant, all in one snapshot."""
    with psycopg.connect(dsn, autocommit=True) as conn, conn.transaction():
        conn.execute("set transaction isolation level repeatable read read only")
        return look(conn, grace)


def look(conn: psycopg.Connection, grace: float = GRACE) -> dict[str, list[str]]:
    """The same, inside a transaction that is open."""
    return {invariant.code: _broken(conn, invariant, grace) for invariant in INVARIANTS}


def _broken(conn: psycopg.Connection, invariant: Invariant, grace: float) -> list[str]:
    return [
        line
        for query in invariant.queries
        for (line,) in conn.execute(query.encode(), {"grace": grace}).fetchall()
    ]


def violations(dsn: str, grace: float = GRACE) -> list[str]:
    """Every contradiction, each with the invariant's code; an empty list is what we want."""
    return [f"{code}: {line}" for code, lines in check(dsn, grace).items() for line in lines]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.invariants", description=__doc__)
    parser.add_argument("dsn", help="the database to look at")
    parser.add_argument("--grace", type=float, default=GRACE, help="seconds (default: %(default)s)")
    parser.add_argument("--show", type=int, default=10, help="violations shown of each kind")
    asked = parser.parse_args(arguments)
    found = check(asked.dsn, asked.grace)
    for invariant in INVARIANTS:
        lines = found[invariant.code]
        print(f"{invariant.code}  {len(lines):>6} violations  {invariant.holds}")
        for line in lines[: asked.show]:
            print(f"      {line}")
    return int(any(found.values()))


if __name__ == "__main__":
    sys.exit(main())
