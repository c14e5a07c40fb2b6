"""API keys in PostgreSQL, each change with its note in the audit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from core.errors import KeyNotFound
from core.identity import Role
from core.keys import TOUCH_AFTER, KeyRecord, Keys, KeyView, NewKey, actor_of, created
from infrastructure.audit import note
from infrastructure.database import Database, sql


class PostgresKeys(Keys):
    """core.keys.Keys over a Database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, new: NewKey, by: str) -> KeyView:
        values = {
            "key": new.id,
            "digest": new.digest,
            "name": new.name,
            "role": new.role,
            "job_types": None if new.job_types is None else list(new.job_types),
            "by": by,
            "days": new.days,
        }

        def act(conn: Connection[Any]) -> KeyView:
            if conn.execute(sql("keys/add_key"), values).rowcount:
                note(conn, by, "key_created", new.id, created(new))
            return _one(conn, new.id)

        return self.database.run(act)

    def find(self, key: str) -> KeyRecord | None:
        """Tries once: whoever asks can ask again, and others wait meanwhile."""
        with self.database.transaction() as conn:
            row = conn.execute(sql("keys/find_key"), {"key": key}).fetchone()
        if row is None:
            return None
        digest, name, role, job_types, is_good, left, unseen = row
        actor = actor_of(key, name, Role(role), job_types)
        return KeyRecord(bytes(digest), actor, is_good, left, unseen)

    def touch(self, key: str) -> None:
        self.database.execute("keys/touch_key", {"key": key, "after": TOUCH_AFTER})

    def list(self, after: str | None, limit: int) -> list[KeyView]:
        def act(conn: Connection[Any]) -> list[KeyView]:
            return _views(conn, "keys/list_keys", {"after": after, "limit": limit})

        return self.database.run(act)

    def revoke(self, key: str, by: str) -> tuple[KeyView, bool]:
        def act(conn: Connection[Any]) -> tuple[KeyView, bool]:
            is_new = conn.execute(sql("keys/revoke_key"), {"key": key}).rowcount > 0
            view = _one(conn, key)
            if is_new:
                note(conn, by, "key_revoked", key, {"name": view.name})
            return view, is_new

        return self.database.run(act)


def _one(conn: Connection[Any], key: str) -> KeyView:
    found = _views(conn, "keys/get_key", {"key": key})
    if not found:
        raise KeyNotFound(f"There is no API key {key!r}; GET /api/keys lists them")
    return found[0]


def _views(conn: Connection[Any], name: str, values: Mapping[str, Any]) -> list[KeyView]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return [KeyView.model_validate(row) for row in cursor.execute(sql(name), values)]
