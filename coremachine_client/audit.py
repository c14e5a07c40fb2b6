"""The audit: who changed what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from coremachine_client.models import Answer
from coremachine_client.transport import Transport


class Note(Answer):
    """One change, and who made it."""

    id: int
    at: datetime
    by: str
    action: str
    """What was done, as `key_created`."""
    subject: str
    """What it was done to."""
    data: dict[str, Any] | None = None


class AuditVerbs:
    """What a client can ask about changes."""

    transport: Transport

    def audit(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        page_size: int = 100,
    ) -> Iterator[Note]:
        """Who changed what, newest first. What was done to a job stands in the job's events.

        `actor` is a whole name, or its part before the space, as `key:3f9a27c41b60`.
        """
        found = self.transport.pages(
            "/api/audit",
            "notes",
            actor=actor,
            action=action,
            created_after=created_after,
            created_before=created_before,
            limit=page_size,
        )
        return map(Note.model_validate, found)
