"""Templates in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg import Connection
from pydantic_core import from_json

from core.ports import Store
from core.templates import NewTemplate, TemplateRow, TemplateTurn, UseRow
from infrastructure.audit import note
from infrastructure.database import Database, sql
from infrastructure.store import PostgresStore


class PostgresTemplateBook:
    """core.templates.TemplateBook over a Database; jobs are submitted in the same transactions."""

    def __init__(self, database: Database, store: PostgresStore) -> None:
        self.database = database
        self.store = store

    def save(self, new: NewTemplate) -> tuple[TemplateRow, bool]:
        values = {
            "name": new.name,
            "version": None,
            "job_type": new.job_type,
            "parameters": json.dumps(dict(new.parameters)),
            "description": new.description,
            "by": new.by,
        }
        told = (new.job_type, dict(new.parameters), new.description)

        def act(conn: Connection[Any]) -> tuple[TemplateRow, bool]:
            conn.execute(sql("templates/lock_template"), values)
            found = conn.execute(sql("templates/get_template"), values).fetchone()
            if found is not None:
                latest = _row(found)
                if (latest.job_type, latest.parameters, latest.description) == told:
                    return latest, False
            added = conn.execute(sql("templates/add_version"), values).fetchone()
            assert added is not None
            row = _row(added)
            note(conn, new.by, "template_put", new.name, {"version": row.version})
            return row, True

        return self.database.run(act)

    def find(self, name: str, version: int | None = None) -> TemplateRow | None:
        rows = self.database.fetch("templates/get_template", {"name": name, "version": version})
        return _row(rows[0]) if rows else None

    def page(self, after: str, limit: int) -> list[TemplateRow]:
        values = {"after": after, "limit": limit}
        return [_row(row) for row in self.database.fetch("templates/list_templates", values)]

    def versions(self, name: str, before: int | None, limit: int) -> list[TemplateRow]:
        values = {"name": name, "before": before, "limit": limit}
        return [_row(row) for row in self.database.fetch("templates/list_versions", values)]

    def uses(self, name: str, before: int | None, limit: int) -> list[UseRow]:
        values = {"name": name, "before": before, "limit": limit}
        return [
            UseRow(number, version, from_json(overrides), *rest)
            for number, version, overrides, *rest in self.database.fetch(
                "templates/list_uses", values
            )
        ]

    def delete(self, name: str, by: str) -> bool:
        def act(conn: Connection[Any]) -> bool:
            values = {"name": name, "by": by}
            is_gone = conn.execute(sql("templates/delete_template"), values).rowcount > 0
            if is_gone:
                note(conn, by, "template_deleted", name)
            return is_gone

        return self.database.run(act)

    @contextmanager
    def using(self, name: str, version: int | None) -> Generator[TemplateTurn | None]:
        values = {"name": name, "version": version}
        with self.database.transaction() as conn:
            found = conn.execute(sql("templates/get_template"), values).fetchone()
            if found is None:
                yield None
            else:
                yield PostgresTemplateTurn(conn, self.store.within(conn), _row(found))


class PostgresTemplateTurn:
    """core.templates.TemplateTurn in an open transaction."""

    def __init__(self, conn: Connection[Any], store: Store, row: TemplateRow) -> None:
        self.conn = conn
        self.store = store
        self.row = row

    def record(
        self, overrides: Mapping[str, Any], job_id: str, run: int, is_new: bool, by: str
    ) -> None:
        values = {
            "name": self.row.name,
            "version": self.row.version,
            "overrides": json.dumps(dict(overrides)),
            "job_id": job_id,
            "run": run,
            "is_new": is_new,
            "by": by,
        }
        self.conn.execute(sql("templates/add_use"), values)


def _row(row: Sequence[Any]) -> TemplateRow:
    name, version, job_type, parameters, *rest = row
    return TemplateRow(name, version, job_type, from_json(parameters), *rest)
