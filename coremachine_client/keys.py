"""API keys, and who the server takes us for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import quote

from coremachine_client.models import Answer
from coremachine_client.transport import Transport


class ApiKey(Answer):
    """A key as lists show it."""

    id: str
    name: str = ""
    role: str = ""
    created_at: datetime | None = None
    expires_at: datetime | None = None
    key: str | None = None
    """The key itself. It is told once, when it is made."""


class Caller(Answer):
    """Who the server takes us for."""

    actor: str = ""
    role: str | None = None


class Keys:
    """What a client can do with API keys."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def __iter__(self) -> Iterator[ApiKey]:
        return map(ApiKey.model_validate, self.transport.pages("/api/keys", "keys"))

    def create(
        self, name: str, role: str, *, expires_at: datetime | None = None, **more: Any
    ) -> ApiKey:
        """A new key. Its answer is the one time that the key is told."""
        body: dict[str, Any] = {"name": name, "role": role, **more}
        if expires_at is not None:
            body["expires_at"] = expires_at.isoformat()
        return self.transport.post(ApiKey, "/api/keys", body)

    def revoke(self, key_id: str) -> None:
        self.transport.send("DELETE", f"/api/keys/{quote(key_id, safe='')}")


class IdentityVerbs:
    """What a client can ask about itself."""

    transport: Transport

    def whoami(self) -> Caller:
        """Who the server takes us for, and what we may do."""
        return self.transport.get(Caller, "/api/whoami")
