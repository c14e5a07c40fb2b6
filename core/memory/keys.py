"""API keys and the audit in memory, for tests: every promise of PostgreSQL's but durability."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from core.audit import AuditFilter, AuditLine
from core.errors import KeyNotFound
from core.keys import KeyRecord, Keys, KeyView, NewKey, actor_of, created


class MemoryAudit:
    """core.audit.Audit."""

    def __init__(self) -> None:
        self.lines: list[AuditLine] = []
        self._lock = threading.Lock()
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def note(
        self, by: str, action: str, subject: str, data: Mapping[str, Any] | None = None
    ) -> None:
        with self._lock:
            self.lines.append(
                AuditLine(
                    id=len(self.lines) + 1,
                    at=self.now(),
                    by=by,
                    action=action,
                    subject=subject,
                    data=None if data is None else dict(data),
                )
            )

    def notes(self, wanted: AuditFilter, before: int | None, limit: int) -> list[AuditLine]:
        fitting = [
            line
            for line in reversed(self.lines)
            if (before is None or line.id < before) and _fits(line, wanted)
        ]
        return fitting[:limit]


def _fits(line: AuditLine, wanted: AuditFilter) -> bool:
    return (
        (wanted.by is None or f"{line.by} ".startswith(f"{wanted.by} "))
        and (wanted.action is None or line.action == wanted.action)
        and (wanted.after is None or line.at >= wanted.after)
        and (wanted.before is None or line.at < wanted.before)
    )


@dataclass(frozen=True, slots=True)
class Kept:
    """A key and its digest."""

    view: KeyView
    digest: bytes


class MemoryKeys(Keys):
    """core.keys.Keys."""

    def __init__(self, audit: MemoryAudit | None = None) -> None:
        self.audit = audit or MemoryAudit()
        self._kept: dict[str, Kept] = {}
        self._lock = threading.Lock()

    def add(self, new: NewKey, by: str) -> KeyView:
        if new.id in self._kept:
            return self._kept[new.id].view
        now = self.audit.now()
        view = KeyView(
            id=new.id,
            name=new.name,
            role=new.role,
            job_types=None if new.job_types is None else list(new.job_types),
            created_by=by,
            created_at=now,
            expires_at=None if new.days is None else now + timedelta(days=new.days),
            revoked_at=None,
            last_used_at=None,
        )
        self._kept[new.id] = Kept(view, new.digest)
        self.audit.note(by, "key_created", new.id, created(new))
        return view

    def find(self, key: str) -> KeyRecord | None:
        if (kept := self._kept.get(key)) is None:
            return None
        view, now = kept.view, self.audit.now()
        left = None if view.expires_at is None else (view.expires_at - now).total_seconds()
        return KeyRecord(
            kept.digest,
            actor_of(key, view.name, view.role, view.job_types),
            view.revoked_at is None and (left is None or left > 0),
            left,
            None if view.last_used_at is None else (now - view.last_used_at).total_seconds(),
        )

    def touch(self, key: str) -> None:
        self._change(key, last_used_at=self.audit.now())

    def list(self, after: str | None, limit: int) -> list[KeyView]:
        newest = [kept.view for kept in reversed(self._kept.values())]
        ids = [view.id for view in newest]
        start = ids.index(after) + 1 if after in ids else len(ids) if after else 0
        return newest[start : start + limit]

    def revoke(self, key: str, by: str) -> tuple[KeyView, bool]:
        if key not in self._kept:
            raise KeyNotFound(f"There is no API key {key!r}; GET /api/keys lists them")
        with self._lock:
            if self._kept[key].view.revoked_at is not None:
                return self._kept[key].view, False
            view = self._change(key, revoked_at=self.audit.now())
        self.audit.note(by, "key_revoked", key, {"name": view.name})
        return view, True

    def _change(self, key: str, **values: Any) -> KeyView:
        view = self._kept[key].view.model_copy(update=values)
        self._kept[key] = replace(self._kept[key], view=view)
        return view
