"""What notices a peer that is gone without goodbye, and what does not.

Two kinds: a *hung* peer, whose kernel acknowledges everything (a stopped process, a proxy that no
longer forwards), and an *unplugged* one, from which no packet comes back. TCP settings see only the
second; only a deadline in the client sees both.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg
import pytest

from tests.support.proxy import FaultProxy, fault_proxy

USER_TIMEOUT = {"tcp_user_timeout": 500}
KEEPALIVES = {"keepalives_idle": 1, "keepalives_interval": 1, "keepalives_count": 1}
SERVER_KEEPALIVES = (
    "-c tcp_keepalives_idle=1 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=1"
)


SOON = 30
"""Seconds; what is not noticed is waited for without an end."""


class ImpatientConnection(psycopg.Connection):
    """Gives up on an answer that does not come, and on the connection: it might come later."""

    def wait(self, gen, interval=0.1, timeout=0.5):
        try:
            return super().wait(gen, interval, timeout)
        except psycopg.OperationalError:
            self.pgconn.finish()
            raise


@pytest.fixture
def proxy(database: str) -> Iterator[FaultProxy]:
    port = psycopg.conninfo.conninfo_to_dict(database)["port"]
    with fault_proxy("127.0.0.1", int(port)) as proxy:
        yield proxy


@pytest.fixture
def connect(proxy: FaultProxy, database: str) -> Iterator[Callable[..., psycopg.Connection]]:
    opened: list[psycopg.Connection] = []

    def connect(kind: type[psycopg.Connection] = psycopg.Connection, **options):
        opened.append(kind.connect(proxy.dsn(database), **options))
        return opened[-1]

    yield connect
    for conn in opened:
        conn.close()


def seconds_until_error(act: Callable[[], object]) -> float:
    started = time.monotonic()
    with pytest.raises(psycopg.OperationalError):
        act()
    return time.monotonic() - started


def test_no_setting_of_tcp_or_the_server_notices_a_hung_peer(proxy, connect):
    """Fault 17: the kernel behind a hung process acknowledges data and keepalives alike."""
    conn = connect(**USER_TIMEOUT, **KEEPALIVES, options="-c statement_timeout=500")
    ended = threading.Event()

    def ask() -> None:
        seconds_until_error(lambda: conn.execute("SELECT 1"))
        ended.set()

    proxy.blackhole()
    asking = threading.Thread(target=ask)
    asking.start()
    assert not ended.wait(3)
    proxy.reset_all()
    asking.join(SOON)
    assert ended.is_set()


@pytest.mark.parametrize("fault", [FaultProxy.blackhole, FaultProxy.unplug])
def test_a_deadline_of_the_client_notices_both(proxy, connect, fault):
    """Fault 17."""
    conn = connect(ImpatientConnection)
    fault(proxy)
    assert seconds_until_error(lambda: conn.execute("SELECT 1")) < SOON
    assert conn.closed


@pytest.mark.parametrize("fault", [FaultProxy.blackhole, FaultProxy.unplug])
def test_the_connect_timeout_notices_both(proxy, connect, fault):
    """Fault 17: a reconnect does not hang either."""
    fault(proxy)
    assert seconds_until_error(lambda: connect(connect_timeout=2)) < SOON


def test_the_user_timeout_notices_an_unplugged_peer_when_something_is_sent(proxy, connect):
    """Fault 17: unacknowledged data is what the timer counts."""
    conn = connect(**USER_TIMEOUT)
    proxy.unplug()
    assert seconds_until_error(lambda: conn.execute("SELECT 1")) < SOON


def test_keepalives_notice_an_unplugged_peer_while_an_answer_is_awaited(proxy, connect):
    """Fault 17: nothing is on its way, so the user timeout alone would wait for ever."""
    conn = connect(**USER_TIMEOUT, **KEEPALIVES)
    proxy.on_text("pg_sleep", lambda: threading.Timer(0.3, proxy.unplug).start())
    assert seconds_until_error(lambda: conn.execute("SELECT pg_sleep(60)")) < SOON


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        (FaultProxy.blackhole, "-c idle_in_transaction_session_timeout=500"),
        (FaultProxy.unplug, SERVER_KEEPALIVES),
    ],
    ids=["hung client, idle_in_transaction_session_timeout", "unplugged client, keepalives"],
)
def test_the_server_frees_the_locks_of_a_lost_client(proxy, connect, database, fault, options):
    """Fault 17: the lease is released although the client never says so."""
    holder = connect(options=options)
    holder.execute("SELECT pg_advisory_xact_lock(1)")
    fault(proxy)
    with closing(psycopg.connect(database)) as other:
        other.execute("SET lock_timeout = '60s'")
        other.execute("SELECT pg_advisory_xact_lock(1)")
