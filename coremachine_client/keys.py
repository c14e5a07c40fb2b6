"""API keys, and who the server takes us for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from coremachine_client.models import Answer
from coremachine_client.transport import Transport

USUAL_DAYS = 90.0


class ApiKey(Answer):
    """A key as lists show it."""

    id: str
    name: str
    role: str
    job_types: list[str] | None = None
    """The only job types it may submit; None: all."""
    created_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    key: str | None = None
    """The key itself. It is told once, when it is made."""


class Caller(Answer):
    """Who the server takes us for."""

    actor: str
    kind: str = ""
    role: str | None = None
    job_types: list[str] | None = None
    identity: str = ""
    """Whom this installation answers."""


class Keys:
    """What a client can do with API keys."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def __iter__(self) -> Iterator[ApiKey]:
        return map(ApiKey.model_validate, self.transport.pages("/api/keys", "keys"))

    def create(
        self,
        name: str,
        role: str,
        *,
        job_types: Sequence[str] | None = None,
        days: float | None = USUAL_DAYS,
    ) -> ApiKey:
        """A new key, good for so many days. Its answer is the one time that the key is told."""
        body: dict[str, Any] = {"name": name, "role": role, "days": days}
        if job_types is not None:
            body["job_types"] = list(job_types)
        return self.transport.post(ApiKey, "/api/keys", body)

    def revoke(self, key_id: str) -> ApiKey:
        """Let nobody in with it any more."""
        path = f"/api/keys/{quote(key_id, safe='')}"
        return self.transport.read(ApiKey, self.transport.send("DELETE", path))


class IdentityVerbs:
    """What a client can ask about itself."""

    transport: Transport

    def whoami(self) -> Caller:
        """Who the server takes us for, and what we may do."""
        return self.transport.get(Caller, "/api/whoami")
