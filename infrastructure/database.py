"""Connections to PostgreSQL: one bounded pool, one place that knows which errors pass."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

import psycopg
from psycopg import Connection, IsolationLevel, errors
from psycopg.abc import RV, Buffer, PQGen
from psycopg.adapt import Loader
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolTimeout

from core.errors import BadResult, ServiceUnavailable

log = logging.getLogger(__name__)
T = TypeVar("T")

PASSING = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.LockNotAvailable,
    errors.QueryCanceled,
    PoolTimeout,
)
"""What may be gone when it is tried again: the server, a lock, a connection."""

# Statistics of a table that grows by a hundred thousand rows at once are always late. Every statement has an index
# that fits; without this, a plan made on an empty table would read the whole of a full one.
OPTIONS = (
    "-c lock_timeout=5s -c idle_in_transaction_session_timeout=30s "
    "-c search_path=pg_catalog -c jit=off -c enable_seqscan=off -c enable_mergejoin=off"
)
MARGIN = 5.0
"""Seconds that the answer to a statement may take beyond the time it has in the server."""


@cache
def sql(name: str) -> bytes:
    """The statement `area/verb_noun`."""
    return files("infrastructure.sql").joinpath(f"{name}.sql").read_bytes()


class RawJson(Loader):
    """jsonb as the bytes it came in: whoever knows the type parses it once."""

    def load(self, data: Buffer) -> bytes:
        return bytes(data)


class Unanswered(psycopg.OperationalError):
    """The server said nothing for longer than any statement may take: it hangs, or is gone."""


class LimitedConnection(Connection[TupleRow]):
    """Gives up on a server that does not answer.

    The kernel of a hung peer acknowledges data and keepalives alike, so no TCP setting notices it.
    """

    patience = MARGIN

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        try:
            return super().wait(gen, interval, self.patience if timeout is None else timeout)
        except psycopg.OperationalError as error:
            if timeout is None and self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()  # the answer might still come, and be taken for the next one's
                raise Unanswered(f"no answer in {self.patience:g} seconds") from error
            raise


class Statements:
    """Runs statements by name, each in a transaction."""

    def transaction(self) -> AbstractContextManager[Connection[TupleRow]]:
        raise NotImplementedError

    def run(self, act: Callable[[Connection[TupleRow]], T]) -> T:
        with self.transaction() as conn:
            return act(conn)

    def fetch(self, name: str, values: Mapping[str, Any]) -> list[TupleRow]:
        return self.run(lambda conn: conn.execute(sql(name), values).fetchall())

    def execute(self, name: str, values: Mapping[str, Any]) -> int:
        return self.run(lambda conn: conn.execute(sql(name), values).rowcount)


class Database(Statements):
    """A pool of connections that pin what the algorithm relies on: isolation, time limits, no search path."""

    def __init__(
        self,
        dsn: str,
        *,
        size: int = 10,
        name: str = "coremachine",
        tries: int = 4,
        longest: float = 60.0,
        options: str | None = None,
        idle: int = 1,
    ) -> None:
        """`longest`: the seconds a statement may take. `idle`: how many connections are kept while nobody asks."""
        self.dsn = dsn
        self.tries = tries
        self.longest = longest
        self.connect: dict[str, Any] = {
            "application_name": name,
            "options": f"{options or OPTIONS} -c statement_timeout={longest:g}s",
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
        }
        self.pool = ConnectionPool(
            dsn,
            min_size=idle,
            max_size=size,
            connection_class=LimitedConnection,
            kwargs=self.connect,
            configure=self._configure,
            check=None,
            timeout=10,
            max_idle=120,
            reconnect_timeout=5,
            open=False,
        )

    def open(self) -> Database:
        self.pool.open()
        return self

    def close(self) -> None:
        self.pool.close(timeout=2)

    def _configure(self, conn: LimitedConnection) -> None:
        conn.patience = self.longest + MARGIN
        conn.isolation_level = IsolationLevel.READ_COMMITTED
        conn.adapters.register_loader("jsonb", RawJson)

    def listener(self) -> LimitedConnection:
        """A connection beside the pool, for notifications. Its short statements are answered soon or never."""
        return LimitedConnection.connect(self.dsn, autocommit=True, **self.connect)

    @contextmanager
    def transaction(self) -> Generator[Connection[TupleRow]]:
        """One transaction, committed at the end of the block. What may pass is raised as ServiceUnavailable."""
        try:
            with self.pool.connection() as conn, conn.transaction():
                yield conn
        except PASSING as error:
            if isinstance(error, Unanswered):
                self.pool.drain()  # the others of the pool go the same way
            raise unavailable(error) from error
        except psycopg.DataError as error:
            raise BadResult(f"the database cannot keep this value: {first_line(error)}") from error

    def run(self, act: Callable[[Connection[TupleRow]], T]) -> T:
        """Do something that is safe to do twice, in a transaction, a few times if it must be."""
        for attempt in range(1, self.tries + 1):
            try:
                with self.transaction() as conn:
                    return act(conn)
            except ServiceUnavailable as error:
                if attempt == self.tries:
                    raise
                log.info("database: %s; trying again", error)
                time.sleep(0.02 * 4**attempt * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load
        raise AssertionError("unreachable")


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def unavailable(error: Exception) -> ServiceUnavailable:
    """Without the server's words: they may name hosts and statements."""
    log.info("database error: %s: %s", type(error).__name__, first_line(error))
    return ServiceUnavailable(
        f"The database does not answer as it should ({type(error).__name__}). Try again soon."
    )
