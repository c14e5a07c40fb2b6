"""Batches in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg import Connection
from pydantic_core import from_json

from core.batches import BatchRow, BatchTurn, Member, MemberRow, Order
from core.ports import Store
from infrastructure.database import Database, sql
from infrastructure.store import PostgresStore


class PostgresBatchBook:
    """core.batches.BatchBook over a Database; jobs are submitted in the same transactions."""

    def __init__(self, database: Database, store: PostgresStore) -> None:
        self.database = database
        self.store = store

    def add(self, name: str | None, members: Sequence[Member], by: str) -> int:
        values = {
            "idx": [m.index for m in members],
            "job_type": [m.order.job_type for m in members],
            "job_id": [m.job_id for m in members],
            "parameters": [json.dumps(dict(m.order.parameters)) for m in members],
            "force": [m.order.force for m in members],
            "outcome": [m.outcome for m in members],
            "reason": [m.reason for m in members],
        }
        # Not repeated when the reply is lost: nobody would know of the first one.
        with self.database.transaction() as conn:
            batch = {"name": name, "total": len(members), "by": by}
            row = conn.execute(sql("batches/add_batch"), batch).fetchone()
            assert row is not None
            conn.execute(sql("batches/add_jobs"), {"batch_id": row[0], **values})
        return row[0]

    @contextmanager
    def turn(self, batch: int, limit: int) -> Generator[BatchTurn]:
        values = {"batch_id": batch, "limit": limit}
        with self.database.transaction() as conn:
            rows = conn.execute(sql("batches/take_jobs"), values).fetchall()
            members = [_member(row) for row in rows]
            yield PostgresBatchTurn(conn, self.store.within(conn), batch, members)

    def find(self, batch: int) -> BatchRow | None:
        rows = self.database.fetch("batches/get_batch", {"batch_id": batch})
        return BatchRow(*rows[0]) if rows else None

    def counts(self, batch: int) -> dict[str, int]:
        return dict(self.database.fetch("batches/count_jobs", {"batch_id": batch}))

    def page(self, before: int | None, limit: int) -> list[BatchRow]:
        values = {"before": before, "limit": limit}
        return [BatchRow(*row) for row in self.database.fetch("batches/list_batches", values)]

    def members(
        self, batch: int, after: int, limit: int, status: str | None = None
    ) -> list[MemberRow]:
        values = {"batch_id": batch, "after": after, "limit": limit, "status": status}
        return [MemberRow(*row) for row in self.database.fetch("batches/list_jobs", values)]

    def forgotten(self, older: float, limit: int) -> list[int]:
        values = {"older": older, "limit": limit}
        return [batch for (batch,) in self.database.fetch("batches/list_forgotten", values)]


class PostgresBatchTurn:
    """core.batches.BatchTurn in an open transaction that holds these rows."""

    def __init__(
        self, conn: Connection[Any], store: Store, batch: int, members: Sequence[Member]
    ) -> None:
        self.conn = conn
        self.store = store
        self.batch = batch
        self.members = members

    def settle(self, members: Sequence[Member]) -> None:
        if not members:
            return
        values = {
            "batch_id": self.batch,
            "idx": [m.index for m in members],
            "outcome": [m.outcome for m in members],
            "reason": [m.reason for m in members],
            "run": [m.run for m in members],
            "is_new": [m.is_new for m in members],
        }
        self.conn.execute(sql("batches/settle_jobs"), values)


def _member(row: Sequence[Any]) -> Member:
    index, job_type, job_id, parameters, force, outcome = row
    return Member(index, Order(job_type, from_json(parameters), force), outcome, job_id)
