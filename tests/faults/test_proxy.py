"""The fault proxy does to a connection exactly what it says, no more."""

import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import closing, nullcontext

import psycopg
import pytest
from psycopg.generators import fetch_many

from tests.support.proxy import FaultProxy, fault_proxy, redirect
from tests.support.waiting import eventually

NOTES = "CREATE TABLE IF NOT EXISTS note(word text)"
ADD = "/* add_note */ INSERT INTO note VALUES (%s)"


@pytest.fixture
def direct(database: str) -> Iterator[psycopg.Connection]:
    """A connection that goes around the proxy."""
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(NOTES)
        conn.execute("TRUNCATE note")
        yield conn


@pytest.fixture
def proxy(database: str) -> Iterator[FaultProxy]:
    with fault_proxy(*address(database)) as proxy:
        yield proxy


@pytest.fixture
def conn(
    proxy: FaultProxy, database: str, direct: psycopg.Connection
) -> Iterator[psycopg.Connection]:
    with closing(psycopg.connect(proxy.dsn(database))) as conn:
        yield conn


def words(conn: psycopg.Connection) -> list[str]:
    return [word for (word,) in conn.execute("SELECT word FROM note ORDER BY word")]


def add(conn: psycopg.Connection, word: str, *, pipeline: bool = False) -> None:
    if not pipeline:
        conn.execute(ADD, [word])
        conn.commit()
        return
    with conn.pipeline():
        conn.execute(ADD, [word])
        conn.commit()


def add_at_once(conn: psycopg.Connection, word: str, *, pipeline: bool) -> None:
    with conn.pipeline() if pipeline else nullcontext():
        conn.execute(ADD, [word])


def try_to_add(proxy: FaultProxy, database: str, word: str) -> None:
    with (
        pytest.raises(psycopg.OperationalError),
        closing(psycopg.connect(proxy.dsn(database))) as conn,
    ):
        add(conn, word)


both_modes = pytest.mark.parametrize("pipeline", [False, True], ids=["plain", "pipeline"])


@both_modes
def test_a_commit_cut_after_it_has_happened(proxy, conn, direct, pipeline):
    """Fault 16: the client sees an error, the row is there."""
    fault = proxy.cut_after_commit()
    with pytest.raises(psycopg.OperationalError):
        add(conn, "kept", pipeline=pipeline)
    assert (words(direct), fault.hits) == (["kept"], 1)


@both_modes
def test_a_commit_cut_before_it_happens(proxy, conn, direct, pipeline):
    """Fault 16: the client sees the same error, the row is not there."""
    fault = proxy.cut_before_commit()
    with pytest.raises(psycopg.OperationalError):
        add(conn, "lost", pipeline=pipeline)
    assert (words(direct), fault.hits) == ([], 1)


@both_modes
def test_only_a_transaction_with_the_words_is_cut(proxy, conn, direct, pipeline):
    fault = proxy.cut_after_commit(when="add_note")
    conn.execute("SELECT 1")
    conn.commit()
    assert fault.hits == 0
    with pytest.raises(psycopg.OperationalError):
        add(conn, "kept", pipeline=pipeline)
    assert fault.hits == 1


def test_a_prepared_statement_is_known_by_the_text_it_was_parsed_from(proxy, conn, direct):
    conn.prepare_threshold = 0
    for word in ("first", "second"):
        add(conn, word)
    fault = proxy.cut_after_commit(when="add_note")
    with pytest.raises(psycopg.OperationalError):
        add(conn, "third")
    assert (words(direct), fault.hits) == (["first", "second", "third"], 1)


def test_a_fault_strikes_as_often_as_it_is_armed(proxy, database, direct):
    fault = proxy.cut_after_commit(n=2)
    for word in ("a", "b"):
        try_to_add(proxy, database, word)
    with psycopg.connect(proxy.dsn(database)) as conn:
        add(conn, "c")
    assert (words(direct), fault.hits) == (["a", "b", "c"], 2)


def test_a_commit_that_turns_into_a_rollback_is_not_cut(proxy, conn, direct):
    fault = proxy.cut_after_commit()
    with pytest.raises(psycopg.errors.DivisionByZero):
        conn.execute("SELECT 1/0")
    conn.commit()
    assert (fault.hits, words(conn)) == (0, [])


def test_the_words_of_a_rolled_back_transaction_are_forgotten(proxy, conn, direct):
    fault = proxy.cut_after_commit(when="add_note")
    conn.execute(ADD, ["undone"])
    conn.rollback()
    conn.execute("SELECT 1")
    conn.commit()
    assert fault.hits == 0


def test_a_savepoint_does_not_end_the_transaction(proxy, conn, direct):
    fault = proxy.cut_after_commit(when="add_note")
    conn.execute(ADD, ["kept"])
    with pytest.raises(psycopg.errors.DivisionByZero), conn.transaction():
        conn.execute("SELECT 1/0")
    with pytest.raises(psycopg.OperationalError):
        conn.commit()
    assert (words(direct), fault.hits) == (["kept"], 1)


@both_modes
def test_an_autocommit_statement_loses_its_answer(proxy, conn, direct, pipeline):
    """Fault 16, without a COMMIT of our own."""
    conn.autocommit = True
    fault = proxy.cut_after_reply(when="add_note")
    conn.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        add_at_once(conn, "kept", pipeline=pipeline)
    assert (words(direct), fault.hits) == (["kept"], 1)


def test_a_failed_statement_keeps_its_answer(proxy, conn, direct):
    conn.autocommit = True
    fault = proxy.cut_after_reply(when="no_such_table")
    with pytest.raises(psycopg.errors.UndefinedTable):
        conn.execute("SELECT * FROM no_such_table")
    assert fault.hits == 0


def test_a_statement_inside_a_transaction_keeps_its_answer(proxy, conn, direct):
    fault = proxy.cut_after_reply(when="add_note")
    add(conn, "kept")
    assert (words(direct), fault.hits) == (["kept"], 0)


def test_a_statement_that_never_arrives(proxy, conn, direct):
    conn.autocommit = True
    fault = proxy.cut_before_statement(when="add_note")
    with pytest.raises(psycopg.OperationalError):
        conn.execute(ADD, ["lost"])
    assert (words(direct), fault.hits) == ([], 1)


def test_copy_and_large_results_pass_unharmed(proxy, conn, direct):
    expected = [f"{number:06}" for number in range(20_000)]
    with conn.cursor().copy("COPY note FROM STDIN") as copy:
        for word in expected:
            copy.write_row([word])
    conn.commit()
    with conn.cursor().copy("COPY (SELECT %s) TO STDOUT", ["x" * 1_000_000]) as copy:
        assert sum(len(piece) for piece in copy) == 1_000_001
    fault = proxy.cut_after_commit()
    assert words(conn) == expected
    with pytest.raises(psycopg.OperationalError):
        conn.commit()
    assert fault.hits == 1


def test_an_extended_copy_keeps_the_count_of_answers(proxy, conn, direct):
    """The server ignores the first Sync of an extended COPY; the COMMIT behind it still matches."""
    conn.execute("SELECT 1")
    raw = conn.pgconn
    raw.exec_params(b"COPY note FROM STDIN", [])
    raw.put_copy_data(b"copied\n")
    raw.put_copy_end()
    conn.wait(fetch_many(raw))
    fault = proxy.cut_after_commit(when="COPY note")
    with pytest.raises(psycopg.OperationalError):
        conn.commit()
    assert (words(direct), fault.hits) == (["copied"], 1)


def test_a_callback_runs_before_the_statement_goes_on(proxy, conn, direct):
    """Fault 12: what happens at a marker in the SQL happens at that moment."""
    seen: list[list[str]] = []
    fault = proxy.on_text("add_note", lambda: seen.append(words(direct)))
    add(conn, "later")
    assert (seen, fault.hits, words(direct)) == ([[]], 1, ["later"])


def test_a_callback_may_kill_the_statement_it_announces(proxy, conn, direct):
    """Fault 12."""
    pid = conn.info.backend_pid
    proxy.on_text(
        "add_note", lambda: direct.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    )
    with pytest.raises(psycopg.errors.AdminShutdown):
        add(conn, "lost")
    assert words(direct) == []


def test_what_a_callback_raises_is_not_lost(database, direct):
    def fail() -> None:
        raise LookupError("no such server")

    proxy = FaultProxy(*address(database))
    proxy.on_text("add_note", fail)
    try_to_add(proxy, database, "lost")
    with pytest.raises(LookupError):
        proxy.close()
    assert words(direct) == []


def test_a_refused_connection_and_a_healed_one(proxy, database, conn, direct):
    proxy.refuse()
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(proxy.dsn(database))
    add(conn, "the old connection stays")
    proxy.heal()
    psycopg.connect(proxy.dsn(database)).close()


def test_a_reset_ends_every_connection(proxy, database, conn):
    with socket.create_connection((proxy.host, proxy.port)) as bare:
        eventually(lambda: proxy.connections == 2)
        proxy.reset_all()
        with pytest.raises(ConnectionResetError):
            bare.recv(1)
    with pytest.raises(psycopg.OperationalError):
        conn.execute("SELECT 1")
    psycopg.connect(proxy.dsn(database)).close()


def test_a_new_target_serves_new_connections(proxy, database, conn):
    """Fault 15: failover is a new address behind the old one."""
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(120)
        proxy.retarget(*elsewhere.getsockname())
        with socket.create_connection((proxy.host, proxy.port)):
            elsewhere.accept()[0].close()
    conn.execute("SELECT 1")


def test_latency_is_added_to_every_reply(proxy, conn):
    proxy.latency(50)
    started = time.monotonic()
    conn.execute("SELECT 1")  # BEGIN and SELECT
    assert time.monotonic() - started >= 0.1


def test_bytes_drip(proxy, conn):
    proxy.drip(20_000)
    started = time.monotonic()
    conn.execute("SELECT repeat('x', 10000)")
    assert time.monotonic() - started >= 0.5
    proxy.heal()


def test_a_healed_blackhole_delivers_what_it_swallowed(proxy, conn, direct):
    proxy.blackhole()
    writer = threading.Thread(target=add, args=(conn, "late"))
    writer.start()
    writer.join(0.2)
    assert writer.is_alive()
    proxy.heal()
    writer.join(120)
    assert words(direct) == ["late"]


@pytest.mark.alone
def test_an_idle_proxy_costs_little(proxy, conn, direct):
    """About 0.1 ms a round trip on a quiet machine; the bound leaves room for a busy one."""
    conn.autocommit = True
    assert round_trip(conn) - round_trip(direct) < 0.005


def test_a_connection_string_keeps_its_form():
    url = redirect("postgresql://me:a%40b@db:1/name?application_name=x%20y", "127.0.0.1", 2)
    assert url.startswith("postgresql://me:a%40b@127.0.0.1:2/name?application_name=x%20y&")
    pairs = redirect("host=/run user=me dbname=name", "127.0.0.1", 2)
    assert "host=127.0.0.1" in pairs
    assert "port=2" in pairs


def round_trip(conn: psycopg.Connection) -> float:
    """Median seconds of a statement that does nothing."""

    def once() -> float:
        started = time.perf_counter()
        conn.execute("SELECT 1")
        return time.perf_counter() - started

    return statistics.median(once() for _ in range(200))


def address(dsn: str) -> tuple[str, int]:
    return "127.0.0.1", int(psycopg.conninfo.conninfo_to_dict(dsn)["port"])
