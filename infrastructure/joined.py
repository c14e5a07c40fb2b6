"""Statements that take part in a transaction which is open already."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from psycopg import Connection

from infrastructure.database import Statements


class Joined(Statements):
    """A connection in a transaction. What fails in it flies to whoever began that transaction."""

    def __init__(self, conn: Connection[Any]) -> None:
        self.conn = conn

    @contextmanager
    def transaction(self) -> Generator[Connection[Any]]:
        """A part of the transaction that can be undone by itself."""
        with self.conn.transaction():
            yield self.conn
