"""The audit: who changed what. Changes of jobs stand in the jobs' own events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from core.insights.views import Moment, View


class AuditLine(View):
    """One change, and who made it."""

    id: int
    at: Moment
    by: str
    action: str
    """What was done, as `key_created`."""
    subject: str
    """What it was done to."""
    data: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which changes are wanted."""

    by: str | None = None
    """An actor's whole name, or its part before the first space."""
    action: str | None = None
    after: datetime | None = None
    before: datetime | None = None


class Audit(Protocol):
    """Where changes are written down that are no job's. Never secrets."""

    def note(
        self, by: str, action: str, subject: str, data: Mapping[str, Any] | None = None
    ) -> None:
        """On its own. A store whose change is in the database writes its note in the same transaction."""
        ...

    def notes(self, wanted: AuditFilter, before: int | None, limit: int) -> list[AuditLine]:
        """Newest first, those with a smaller id than `before`."""
        ...
