"""Keeping house: the database, and what piles up in it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from coremachine_client.models import Answer
from coremachine_client.transport import Transport


class Connection(Answer):
    """A connection to the database, and what it does."""

    pid: int
    application: str = ""
    state: str = ""
    seconds: float = 0.0
    """Since the statement began, or since the last one ended."""
    in_transaction_seconds: float | None = None
    waits_for: str | None = None
    statement: str = ""
    blocked_by: list[int] = []


class Table(Answer):
    """How large a table is, and how well it is kept."""

    name: str
    rows: int = 0
    """As the statistics estimate."""
    dead_rows: int = 0
    bytes: int = 0
    index_bytes: int = 0
    vacuumed_at: datetime | None = None
    analyzed_at: datetime | None = None


class Migration(Answer):
    """A migration of the server's code, and when it was applied."""

    number: int
    name: str
    applied_at: datetime | None = None


class Swept(Answer):
    """What was removed, or would be (`dry_run`)."""

    dry_run: bool = False
    records: dict[str, int] = {}
    """Rows, by what they were."""
    jobs: list[str] = []
    """Jobs whose records were kept long enough."""
    blobs: int = 0
    bytes: int = 0
    names: list[str] = []
    """Blobs that nobody will ask for any more."""
    done: bool = True
    """Whether nothing is left to do."""


class Maintained(Answer):
    """What was done."""

    action: str
    applied: list[str] = []
    """Migrations that were applied."""
    swept: Swept | None = None


class _Activity(Answer):
    activity: list[Connection]


class _Tables(Answer):
    tables: list[Table]


class _Migrations(Answer):
    migrations: list[Migration]


class House:
    """What a client can do to keep house."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def activity(self, kind: str = "connections") -> list[Connection]:
        """Who is connected: all `connections`, those `running`, `slow` ones, or `locks`: who waits for whom."""
        return self.transport.get(_Activity, "/api/dbadmin/activity", type=kind).activity

    def tables(self) -> list[Table]:
        """The tables, largest first."""
        return self.transport.get(_Tables, "/api/dbadmin/tables").tables

    def migrations(self) -> list[Migration]:
        """Every migration; one that is missing has no `applied_at`."""
        return self.transport.get(_Migrations, "/api/dbadmin/migrations").migrations

    def ensure(self) -> list[str]:
        """Apply the migrations that are missing; their names. It is safe while jobs run."""
        return self._maintain(action="ensure").applied

    def cleanup(self, *, dry_run: bool = False) -> Swept:
        """Remove what has been kept for long enough, for good. `dry_run` tells what would go."""
        how = {"dry_run": True} if dry_run else {"confirm": "yes"}
        return self._maintain(action="cleanup", **how).swept or Swept()

    def rebuild(self) -> list[str]:
        """Drop every job, and make the tables anew. In development only, and while no job runs."""
        return self._maintain(action="rebuild", confirm="yes").applied

    def _maintain(self, **query: Any) -> Maintained:
        return self.transport.post(Maintained, "/api/dbadmin/maintenance", **query)
