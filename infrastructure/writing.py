"""Statements that several parts of the store share, inside whatever transaction is open."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from psycopg import Connection

from core.queues import QueueName
from core.tasks import Event, TaskKey
from infrastructure.database import sql

CHANNEL = "coremachine"
OUTBOX = "outbox"


class Writer:
    """Events and wake-ups. With an outbox, a due task is promised a message; without, workers are notified."""

    def __init__(self, *, outbox: bool) -> None:
        self.outbox = outbox

    def events(self, conn: Connection[Any], events: Sequence[tuple[int, Event]]) -> None:
        if not events:
            return
        columns = {
            "run": [run for run, _ in events],
            "what": [event.what for _, event in events],
            "stage": [event.stage for _, event in events],
            "idx": [event.idx for _, event in events],
            "attempt": [event.attempt for _, event in events],
            "data": [None if event.data is None else json.dumps(event.data) for _, event in events],
        }
        self.tell(conn, conn.execute(sql("events/add_events"), columns).fetchall())

    def tell(self, conn: Connection[Any], events: Sequence[tuple[Any, ...]]) -> None:
        """Write these (job, number) down for the webhooks that want to hear of them."""
        if events:
            columns = {"job_id": [job for job, _ in events], "number": [n for _, n in events]}
            conn.execute(sql("webhooks/add_deliveries"), columns)

    def wake(self, conn: Connection[Any], due: Iterable[tuple[TaskKey, int, str]]) -> None:
        """These tasks (key, attempt, queue) are due when the transaction commits."""
        rows = list(due)
        if not rows:
            return
        if self.outbox:
            columns = {
                "queue": [queue for _, _, queue in rows],
                "run": [key.run for key, _, _ in rows],
                "stage": [key.stage for key, _, _ in rows],
                "idx": [key.idx for key, _, _ in rows],
                "attempt": [attempt for _, attempt, _ in rows],
            }
            conn.execute(sql("outbox/add_messages"), columns)
        for name in {OUTBOX} if self.outbox else {queue for _, _, queue in rows}:
            conn.execute(sql("events/notify"), {"channel": CHANNEL, "payload": name})


def due_rows(rows: Iterable[Sequence[Any]]) -> list[tuple[TaskKey, int, QueueName]]:
    """run, stage, idx, attempt, queue as statements return them."""
    return [
        (TaskKey(run, stage, idx), attempt, QueueName(queue))
        for run, stage, idx, attempt, queue in rows
    ]
