"""The outbox in PostgreSQL: messages that were promised by a transaction and are not sent yet."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from core.queues import QueueName
from core.tasks import TaskKey, Wakeup
from infrastructure.database import Database, sql


class PostgresOutbox:
    """core.ports.Outbox. Rows are deleted in the transaction that sends them, so a crash only repeats a send."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @contextmanager
    def take(self, limit: int) -> Generator[list[tuple[QueueName, Wakeup]]]:
        with self.database.transaction() as conn:
            rows = conn.execute(sql("outbox/take_messages"), {"limit": limit}).fetchall()
            yield [
                (QueueName(queue), Wakeup(TaskKey(run, stage, idx), attempt))
                for queue, run, stage, idx, attempt in rows
            ]
