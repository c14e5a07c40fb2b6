"""The embedded queue: workers claim due task rows directly, woken by NOTIFY. No message, no outbox."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

import psycopg

from core.ports import Store
from core.queues import QueueName
from core.tasks import Claim, Wakeup
from infrastructure.database import Database
from infrastructure.writing import CHANNEL

log = logging.getLogger(__name__)


class Bell:
    """Hears the database's notifications and rings for those who wait for one name."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._rung: dict[str, int] = defaultdict(int)
        self._condition = threading.Condition()
        self._closed = threading.Event()
        self._listener: threading.Thread | None = None

    def wait(self, name: str, seen: int, seconds: float) -> int:
        """Wait until `name` rings after the count `seen`, or the time is over; the new count."""
        self._listen()
        with self._condition:
            self._condition.wait_for(
                lambda: self._rung[name] != seen or self._closed.is_set(), seconds
            )
            return self._rung[name]

    def count(self, name: str) -> int:
        with self._condition:
            return self._rung[name]

    def ring(self, *names: str) -> None:
        """Ring the named bells, or every bell that was ever waited for."""
        with self._condition:
            for name in names or tuple(self._rung):
                self._rung[name] += 1
            self._condition.notify_all()

    def close(self) -> None:
        self._closed.set()
        self.ring()

    def _listen(self) -> None:
        with self._condition:
            if self._listener is None and not self._closed.is_set():
                self._listener = threading.Thread(target=self._serve, name="bell", daemon=True)
                self._listener.start()

    def _serve(self) -> None:
        while not self._closed.is_set():
            try:
                self._hear()
            except psycopg.Error as error:
                log.info("not listening: %s; will connect again", type(error).__name__)
                self._closed.wait(0.5)

    def _hear(self) -> None:
        with self.database.listener() as conn:
            conn.execute(f"listen {CHANNEL}")
            self.ring()  # whatever was said while nobody listened
            while not self._closed.is_set():
                for note in conn.notifies(timeout=1.0):
                    self.ring(note.payload)
                conn.execute("select 1")  # notices a connection that died without a word


class PostgresQueue:
    """core.ports.Queue without a broker: the due rows are the queue."""

    def __init__(self, store: Store, bell: Bell) -> None:
        self.store = store
        self.bell = bell
        self._calls = 0

    def claim(self, queue: QueueName, session: UUID, limit: int, wait: float) -> list[Claim]:
        end, calls = time.monotonic() + wait, self._calls
        while True:
            seen = self.bell.count(queue)
            claims = self.store.claim_due(queue, session, limit)
            left = end - time.monotonic()
            if claims or left <= 0 or self._calls != calls:
                return claims
            self.bell.wait(queue, seen, left)

    def read(self, queue: QueueName, messages: Sequence[tuple[str, bytes]]) -> list[Wakeup]:
        return [Wakeup.decode(body) for _, body in messages]

    def relay(self) -> int:
        return 0

    def collect_dead(self) -> int:
        return 0

    def wake(self) -> None:
        self._calls += 1
        self.bell.ring()

    def close(self) -> None:
        self.bell.close()
