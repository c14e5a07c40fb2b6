"""The store, its machine and a worker behind a line that breaks off at the worst moment, or goes dead."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest
from psycopg import conninfo

import infrastructure.database
from core.errors import JobStillRunning, ServiceUnavailable
from core.tasks import Wakeup
from infrastructure.database import Database, LimitedConnection
from infrastructure.outbox import PostgresOutbox
from infrastructure.postgres_queue import Bell
from infrastructure.writing import CHANNEL
from tests.faults.crew import (
    GO,
    Crew,
    assert_well_ended,
    at_once,
    crew_on,
    new,
    opened,
    sleep_in,
    violations,
)
from tests.store.desk import PostgresDesk
from tests.store.sample_jobs import Wide
from tests.support.proxy import FaultProxy, fault_proxy
from tests.support.waiting import eventually

SUBMIT = "insert into app.runs"
CLAIM = "first_value(lost)"
TAKEN = "The first claim of a run starts it"
"""Asked in the transaction of a claim that has found something."""
SETTLE = "t.failures + o.counted"
CLOSE = "set status = 'closed'"
PLAN_STEP = "The planner's fence"
OPEN_PLANNED = "Only now can the stage close"
REPAIR = "coremachine.repair"
BEAT = "insert into app.sessions"

cuts = pytest.mark.parametrize(
    "cut", [FaultProxy.cut_after_commit, FaultProxy.cut_before_commit], ids=["after", "before"]
)


@pytest.fixture
def conn(database: str) -> Iterator[psycopg.Connection]:
    """A connection around the proxy."""
    with psycopg.connect(database, autocommit=True) as conn:
        yield conn


@pytest.fixture
def proxy(database: str) -> Iterator[FaultProxy]:
    port = conninfo.conninfo_to_dict(database)["port"]
    with fault_proxy("127.0.0.1", int(port)) as proxy:
        yield proxy


@pytest.fixture
def crew(proxy: FaultProxy, database: str) -> Iterator[Crew]:
    """A crew at work behind the proxy."""
    with crew_on(proxy.dsn(database)) as crew:
        yield crew


@pytest.fixture
def go() -> Iterator[threading.Event]:
    """Tasks of jobs with go="later" wait for it."""
    with_name = GO["later"] = threading.Event()
    yield with_name
    with_name.set()


# Ambiguous commits


@cuts
@pytest.mark.parametrize("words", [SUBMIT, CLAIM, SETTLE, CLOSE, PLAN_STEP, OPEN_PLANNED])
def test_a_commit_whose_reply_is_lost_is_neither_lost_nor_done_twice(cut, words, proxy, crew, conn):
    """Fault 16: every kind of transaction that moves a job, cut before and after its COMMIT."""
    fault = cut(proxy, when=words)
    job = new()
    submission = crew.machine.submit(job)
    assert submission.is_new
    assert_well_ended(conn, job)
    assert fault.hits == 1


@cuts
@pytest.mark.parametrize("words", [CLAIM, SETTLE, CLOSE, PLAN_STEP])
def test_a_job_survives_a_commit_that_is_cut_again_and_again(cut, words, proxy, crew, conn):
    """Fault 16: more often than one call tries, or whenever a stage closes."""
    fault = cut(proxy, n=7, when=words)
    job = new(n=12)
    crew.machine.submit(job)
    assert_well_ended(conn, job)
    assert fault.hits >= (2 if words == CLOSE else 6)


@cuts
@pytest.mark.parametrize("words", [REPAIR, BEAT])
def test_the_rounds_that_keep_a_worker_alive_survive_a_cut(cut, words, proxy, crew, conn):
    """Fault 16: the reconciler and the heartbeat."""
    fault = cut(proxy, n=5, when=words)
    fault.wait(5)
    job = new()
    crew.machine.submit(job)
    assert_well_ended(conn, job)


@cuts
def test_a_job_forced_with_a_lost_reply_runs_once_more_and_not_twice(cut, proxy, crew, conn):
    """Fault 16, Fault 10: the repeated request finds the run that the first one made."""
    job = new()
    crew.machine.submit(job)
    assert_well_ended(conn, job)
    fault = cut(proxy, when=SUBMIT)
    submission = crew.machine.submit(job, force=True)
    assert (submission.is_new, submission.run.number, fault.hits) == (True, 2, 1)
    assert_well_ended(conn, job, run=2)


def test_a_client_that_repeats_a_forced_submission_of_its_own_is_told_it_runs(crew, conn, go):
    """Fault 10, R36: another request is another wish."""
    job = new(go="later")
    first = crew.machine.submit(job).run
    with pytest.raises(JobStillRunning):
        crew.machine.submit(job, force=True)
    assert crew.machine.submit(job).run.run == first.run
    go.set()
    assert_well_ended(conn, job)


@cuts
def test_a_claim_nobody_heard_of_goes_back_unharmed(cut, proxy, crew, conn):
    """Fault 16: the audit of the same process finds it, no lease has to run out, no attempt counts."""
    fault = cut(proxy, when=TAKEN)
    job = new(n=1)
    crew.machine.submit(job)
    assert_well_ended(conn, job)
    assert fault.hits == 1
    lost = "select count(*) from app.events where what in ('task_lost', 'task_failed')"
    assert conn.execute(lost).fetchone() == (0,)
    assert conn.execute("select max(failures), max(lost) from app.tasks").fetchone() == (0, 0)


@cuts
def test_messages_taken_with_a_lost_reply_are_sent_again_at_most(cut, proxy, database, conn):
    """Fault 16, Fault 8: the outbox loses none; a duplicate claims nothing."""
    with opened(proxy.dsn(database)) as pool:
        desk = PostgresDesk(pool, conn, outbox=True)
        conn.execute("set search_path = app")
        run = desk.submit(Wide(n=4))
        fault = cut(proxy, when="delete from app.outbox")
        sent: list[Wakeup] = []
        outbox = PostgresOutbox(pool)
        for _ in range(12):
            sent += relay(outbox)
            for claim in desk.store.claim_named(list(dict.fromkeys(sent)), desk.session):
                desk.runner.run([claim])
        assert fault.hits == 1
        assert {str(wakeup.key) for wakeup in sent} == {
            f"{run.run}-0-{idx}" for idx in ("plan", *range(4))
        }
        assert desk.status(run.run) == "completed"
        assert conn.execute("select max(attempt) from tasks").fetchone() == (1,)
    assert violations(conn) == []


def relay(outbox: PostgresOutbox) -> list[Wakeup]:
    """What was sent; a cut comes after the sending, when the outbox commits."""
    sent: list[Wakeup] = []
    try:
        with outbox.take(10) as promised:
            sent += [wakeup for _, wakeup in promised]
    except ServiceUnavailable:
        pass
    return sent


# A server that does not answer


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(infrastructure.database, "MARGIN", 3.0)
    monkeypatch.setattr(LimitedConnection, "patience", 3.0)


@pytest.mark.parametrize("silence", [FaultProxy.blackhole, FaultProxy.unplug])
def test_a_statement_without_an_answer_is_given_up(silence, proxy, database, impatient):
    """Fault 17: the whole pool hangs; the first to notice replaces all of it."""
    with opened(proxy.dsn(database), size=4, longest=3, tries=1) as pool:
        with ExitStack() as held:
            for _ in range(4):
                held.enter_context(pool.transaction())
        assert proxy.connections == 4
        silence(proxy)
        (answer,) = at_once(lambda: sleep_in(pool, 0))
        proxy.heal()
        assert isinstance(answer, ServiceUnavailable)
        eventually(lambda: proxy.connections >= 8)
        assert at_once(*[lambda: sleep_in(pool, 0)] * 8) == [True] * 8


def test_a_slow_answer_within_its_time_is_awaited(proxy, database, impatient):
    """Fault 17: slow is not gone."""
    with opened(proxy.dsn(database), size=1, longest=30) as pool:
        proxy.latency(300)
        assert sleep_in(pool, infrastructure.database.MARGIN + 1)


def test_a_statement_that_takes_too_long_is_cancelled_and_its_connection_kept(database):
    """Fault 17: the server gives up first, and says so."""
    with opened(database, size=1, longest=2, tries=1) as pool:
        pid = backend(pool)
        with pytest.raises(ServiceUnavailable, match="QueryCanceled"):
            sleep_in(pool, 60)
        assert backend(pool) == pid


def backend(pool: Database) -> int:
    with pool.transaction() as conn:
        return conn.info.backend_pid


@pytest.mark.parametrize("silence", [FaultProxy.blackhole, FaultProxy.unplug])
def test_a_worker_goes_on_after_the_line_was_dead(silence, proxy, database, conn, go, impatient):
    """Fault 17: no restart; what the dead line still delivers later is fenced."""
    with crew_on(proxy.dsn(database), longest=0.5) as crew:
        job = new(n=30, go="later")
        crew.machine.submit(job)
        eventually(lambda: len(crew.process.held) > 0)
        silence(proxy)
        go.set()
        lost = crew.database.pool.get_stats
        eventually(lambda: lost().get("returns_bad", 0) >= 2)
        proxy.heal()
        assert_well_ended(conn, job)


def test_a_listener_hears_again_after_its_line_was_dead(proxy, database, conn, impatient):
    """Fault 17: notifications come over a connection that nobody else watches."""
    with opened(proxy.dsn(database), size=1) as pool:
        bell = Bell(pool)
        bell.wait("tasks", 0, 0)
        heard = eventually(lambda: bell.count("tasks"))  # it listens
        before = proxy.connections
        proxy.blackhole()
        eventually(lambda: proxy.connections > before)
        proxy.heal()
        again = eventually(lambda: (now := bell.count("tasks")) > heard and now)
        conn.execute("select pg_notify(%s, 'tasks')", [CHANNEL])
        eventually(lambda: bell.count("tasks") > again)
        bell.close()
