"""The audit in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row
from pydantic_core import from_json

from core.audit import AuditFilter, AuditLine
from infrastructure.database import Database, sql


def note(
    conn: Connection[Any],
    by: str,
    action: str,
    subject: str,
    data: Mapping[str, Any] | None = None,
) -> None:
    """Write down who changed what, in the transaction that changes it. Never secrets."""
    text = None if data is None else json.dumps(data)
    values = {"by": by, "action": action, "subject": subject, "data": text}
    conn.execute(sql("audit/add_note"), values)


class PostgresAudit:
    """core.audit.Audit over a Database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def note(
        self, by: str, action: str, subject: str, data: Mapping[str, Any] | None = None
    ) -> None:
        """When the reply is lost it may stand there twice, which is better than not at all."""
        self.database.run(lambda conn: note(conn, by, action, subject, data))

    def notes(self, wanted: AuditFilter, before: int | None, limit: int) -> list[AuditLine]:
        values = {
            "before": before,
            "actor": wanted.by,
            "action": wanted.action,
            "from": wanted.after,
            "until": wanted.before,
            "limit": limit,
        }

        def act(conn: Connection[Any]) -> list[dict[str, Any]]:
            with conn.cursor(row_factory=dict_row) as cursor:
                return cursor.execute(sql("audit/list_notes"), values, prepare=False).fetchall()

        return [_line(row) for row in self.database.run(act)]


def _line(row: dict[str, Any]) -> AuditLine:
    data = None if row["data"] is None else from_json(row["data"])
    return AuditLine.model_validate(row | {"data": data})
