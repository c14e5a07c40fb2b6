"""The store, its machine and a worker against a database that refuses, is locked, or fails by chance."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import conninfo, sql

import infrastructure.database
from core.errors import ServiceUnavailable
from core.patience import persist
from tests.faults.crew import (
    GO,
    LABELS,
    Crew,
    assert_well_ended,
    at_once,
    crew_on,
    new,
    opened,
    outcome,
    quietly,
    seconds,
    sleep_in,
)
from tests.store.desk import PostgresDesk
from tests.store.sample_jobs import Wide
from tests.support.waiting import eventually


@pytest.fixture
def conn(database: str) -> Iterator[psycopg.Connection]:
    """A connection around the proxy."""
    with psycopg.connect(database, autocommit=True) as conn:
        yield conn


@pytest.fixture
def go() -> Iterator[threading.Event]:
    """Tasks of jobs with go="later" wait for it."""
    with_name = GO["later"] = threading.Event()
    yield with_name
    with_name.set()


# No room, no way in


@pytest.fixture
def member(database: str, conn: psycopg.Connection, tmp_path: Path) -> Iterator["Member"]:
    with ExitStack() as stack:
        member = Member(conn, tmp_path / "pass")
        stack.callback(member.drop)
        member.make(conninfo.conninfo_to_dict(database)["dbname"])
        yield member


class Member:
    """A role of its own, for what a superuser is exempt from. Its password stands in a file."""

    def __init__(self, conn: psycopg.Connection, file: Path) -> None:
        self.name = f"member_{uuid4().hex}"
        self.conn = conn
        self.file = file

    def make(self, database: str) -> None:
        self.do("create role {} login")
        self.do("grant usage on schema app to {}")
        self.do("grant all on all tables in schema app to {}")
        self.do("grant all on all sequences in schema app to {}")
        self.change_password("first")
        self.tell_password("first")

    def do(self, statement: str) -> None:
        self.conn.execute(sql.SQL(statement).format(sql.Identifier(self.name)))

    def change_password(self, word: str) -> None:
        self.do(f"alter role {{}} password '{word}'")

    def tell_password(self, word: str) -> None:
        self.file.touch(mode=0o600)
        self.file.write_text(f"*:*:*:{self.name}:{word}\n")

    def limit(self, connections: int) -> None:
        self.do(f"alter role {{}} connection limit {connections}")

    def dsn(self, dsn: str) -> str:
        return conninfo.make_conninfo(dsn, user=self.name, passfile=str(self.file))

    def hang_up(self) -> int:
        """End all of its connections; how many there were."""
        query = "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = %s"
        return self.conn.execute(query, [self.name]).fetchone()[0]

    def drop(self) -> None:
        self.limit(0)
        eventually(lambda: self.hang_up() == 0)
        self.do("drop owned by {}")
        self.do("drop role {}")


def test_a_worker_waits_for_room_in_the_server(member, database, conn):
    """Fault 18: every connection is taken when it starts, and again while it works."""
    dsn = member.dsn(database)
    member.limit(6)
    with ExitStack() as others:
        idle = [others.enter_context(psycopg.connect(dsn)) for _ in range(6)]
        starting = threading.Timer(0.5, lambda: [each.close() for each in idle])
        starting.start()
        with crew_on(dsn) as crew:
            first = new()
            crew.machine.submit(first)
            assert_well_ended(conn, first)
            member.limit(0)
            member.hang_up()
            threading.Timer(0.5, lambda: member.limit(-1)).start()
            second = new()
            eventually(lambda: quietly(lambda: bool(crew.machine.submit(second))))
            assert_well_ended(conn, second)


def test_a_changed_password_is_read_again(member, database, conn):
    """R60: old connections end, new ones are refused until the new password is there."""
    with crew_on(member.dsn(database)) as crew:
        first, second = new(), new()
        crew.machine.submit(first)
        assert_well_ended(conn, first)
        member.change_password("second")
        member.hang_up()
        threading.Timer(0.5, lambda: member.tell_password("second")).start()
        eventually(lambda: quietly(lambda: bool(crew.machine.submit(second))))
        assert_well_ended(conn, second)


def test_connections_that_are_ended_all_the_time_delay_a_job_and_no_more(
    member, database, conn, go
):
    """Fault 14, R60: ten at least before the job may end, and more while it works."""
    with crew_on(member.dsn(database)) as crew:
        job = new(n=200, go="later")
        eventually(lambda: quietly(lambda: bool(crew.machine.submit(job))))
        ended_connections = 0
        while (outcome(conn, job) or ("",))[0] != "completed" and ended_connections < 40:
            ended_connections += member.hang_up()
            if ended_connections >= 10:
                go.set()
            time.sleep(0.05)
        assert ended_connections >= 10
        assert_well_ended(conn, job)


def test_sixty_four_callers_on_four_connections_are_all_served(database, conn):
    """R59."""
    with opened(database, size=4) as pool:
        crew = Crew(pool)
        jobs = [new() for _ in range(64)]
        answers = at_once(*[lambda job=job: crew.machine.submit(job) for job in jobs])
        assert [type(answer).__name__ for answer in answers] == ["Submission"] * 64
        assert conn.execute("select count(*) from app.runs").fetchone() == (64,)
        served = "select count(*) from pg_stat_activity where application_name = 'coremachine'"
        assert conn.execute(f"{served} and datname = current_database()").fetchone()[0] <= 4


def test_callers_who_cannot_be_served_are_told_so_in_time(database):
    """R59: nobody hangs when every connection is busy."""
    with opened(database, size=4) as pool, ExitStack() as busy:
        for _ in range(4):
            busy.enter_context(pool.transaction())
        pool.pool.timeout = 0.3
        answers: list[object] = []
        waited = seconds(lambda: answers.extend(at_once(*[lambda: sleep_in(pool, 0)] * 64)))
        assert {type(answer) for answer in answers} == {ServiceUnavailable}
        assert waited < 30


# Foreign locks, errors and plans


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks are waited for 0.2 seconds instead of five."""
    shorter = infrastructure.database.OPTIONS.replace("lock_timeout=5s", "lock_timeout=200ms")
    assert shorter != infrastructure.database.OPTIONS
    monkeypatch.setattr(infrastructure.database, "OPTIONS", shorter)


@pytest.mark.parametrize(
    "statement",
    [
        "select from app.stages where run_id = {run} for update",
        "select from app.runs where run_id = {run} for update",
        "lock table app.tasks in share row exclusive mode",
    ],
    ids=["stage row", "run row", "table"],
)
def test_a_foreign_lock_delays_a_job_and_piles_nothing_up(
    statement, database, conn, go, soon, caplog
):
    """Fault 19: it is held until five statements have given up."""
    caplog.set_level("INFO", "infrastructure.database")
    with crew_on(database) as crew:
        job = new(n=6, go="later")
        run = crew.machine.submit(job).run.run
        eventually(lambda: len(crew.process.held) >= 2)
        with psycopg.connect(database) as stranger:
            stranger.execute(statement.format(run=run))
            go.set()
            waiting: list[int] = []

            def refused() -> bool:
                waiting.append(waiting_for_locks(conn))
                return any(waiting) and caplog.text.count("error: LockNotAvailable") >= 5

            eventually(refused)
            assert outcome(conn, job)[0] == "processing"
            stranger.rollback()
        assert 1 <= max(waiting) <= 5  # two light slots, one planner, the heartbeat, the reconciler
        assert_well_ended(conn, job)


def waiting_for_locks(conn: psycopg.Connection) -> int:
    query = (
        "select count(*) from pg_stat_activity"
        " where wait_event_type = 'Lock' and datname = current_database()"
    )
    return conn.execute(query).fetchone()[0]


FAIL_SOME = """
create function public.fail_some() returns trigger language plpgsql as $$
begin
    if random() < {share} then
        raise exception 'injected' using errcode = case when random() < 0.5 then '40001' else '40P01' end;
    end if;
    return null;
end $$;
"""


def test_statements_that_fail_by_chance_are_tried_again(database, conn):
    """Fault 21: serialization failures and deadlocks in 5 % of all writes."""
    conn.execute("select setseed(0.5)")
    conn.execute(FAIL_SOME.format(share=0.05))
    for table in ("tasks", "stages", "runs", "jobs", "events", "sessions"):
        conn.execute(
            f"create trigger fail_some after insert or update on app.{table}"
            " for each statement execute function public.fail_some()"
        )
    with crew_on(database) as crew:
        jobs = [new(n=20) for _ in range(5)]
        for job in jobs:
            assert persist(lambda job=job: crew.machine.submit(job)).is_new
        for job in jobs:
            assert_well_ended(conn, job)
    attempts = "select max(failures), count(*) from app.tasks where status <> 'completed'"
    assert conn.execute(attempts).fetchone() == (None, 0)


@pytest.mark.alone
@pytest.mark.slow
def test_a_snapshot_held_for_long_costs_less_than_half_the_rate(database, conn):
    """Fault 20: dead row versions stay as long as somebody could see them."""
    conn.execute("set search_path = app")
    with opened(database) as pool, psycopg.connect(database) as stranger:
        desk = PostgresDesk(pool, conn)
        stranger.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        rates: dict[bool, list[float]] = {False: [], True: []}
        for held in (False, True, True, False, False, True):
            stranger.rollback()
            if held:
                stranger.execute("select count(*) from app.tasks")
            rates[held].append(rate(desk))
        assert max(rates[True]) >= 0.5 * max(rates[False])


def rate(desk: PostgresDesk, n: int = 2000) -> float:
    """Tasks claimed, settled and closed in a second."""
    desk.submit(Wide(n=n, label=str(next(LABELS))))
    desk.plan()
    started = time.monotonic()
    while claims := desk.claim(limit=50):
        desk.complete(*claims)
    return n / (time.monotonic() - started)


# Isolation and locks


def test_a_connection_reads_what_is_committed_whatever_the_database_prefers(database, conn):
    """R29: under repeatable read the last of many workers would not see the others."""
    name = conninfo.conninfo_to_dict(database)["dbname"]
    conn.execute(f"alter database {name} set default_transaction_isolation = 'repeatable read'")
    with crew_on(database) as crew:
        with crew.database.transaction() as mine:
            level = mine.execute("select current_setting('transaction_isolation')").fetchone()
        assert level == ("read committed",)
        with psycopg.connect(database) as other:
            assert other.execute("show transaction_isolation").fetchone() == ("repeatable read",)
        job = new(n=50)
        crew.machine.submit(job)
        assert_well_ended(conn, job)


def test_no_advisory_lock_outlives_its_transaction(database, conn):
    """R28: a pooled connection keeps nothing that the next one to use it does not know of."""
    held_idle = (
        "select count(*) from pg_locks l join pg_stat_activity a using (pid)"
        " where l.locktype = 'advisory' and a.state = 'idle' and a.datname = current_database()"
    )
    with crew_on(database) as crew:
        jobs = [new() for _ in range(5)]
        for job in jobs:
            crew.machine.submit(job)
        for job in jobs:
            assert_well_ended(conn, job)
        crew.stop()  # the connections stay, and nobody is in a transaction any more
        eventually(lambda: conn.execute(held_idle).fetchone() == (0,), 30)


def test_stages_whose_names_share_a_32_bit_hash_do_not_wait_for_each_other(database, conn):
    """R30: the key has 64 bits."""
    collision = conn.execute(
        "select min(n), max(n) from generate_series(1, 200000) n"
        " group by hashtext('coremachine.stage:' || n || ':0') having count(*) > 1 limit 1"
    ).fetchone()
    assert collision is not None
    lock = infrastructure.database.sql("stages/lock_stage")
    with psycopg.connect(database) as one, psycopg.connect(database) as other:
        other.execute("set lock_timeout = '200ms'")
        one.execute(lock, {"run_id": str(collision[0]), "stage": "0"})
        other.execute(lock, {"run_id": str(collision[1]), "stage": "0"})
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute(lock, {"run_id": str(collision[0]), "stage": "0"})
