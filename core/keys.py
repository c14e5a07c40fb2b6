"""API keys: made once, shown once, kept as a digest, good until they expire or are revoked."""

from __future__ import annotations

import hmac
import logging
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

from core.errors import ServiceUnavailable, Unauthenticated
from core.identity import Actor, Kind, Role
from core.insights.views import Moment, View

log = logging.getLogger(__name__)

FORM = re.compile(r"cm_(?P<id>[0-9a-f]{12})_(?P<secret>[A-Za-z0-9_-]{43})")
REFUSED = "This API key is not known, has expired or was revoked."
MOST = 10_000
"""Keys that a process remembers; also those that are none, which anyone can make up."""
TOUCH_AFTER = 60.0
"""Seconds after which another use of a key is written down."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A key as its holder has it. Its secret has 256 random bits, so a plain digest keeps it as well as a slow one."""

    id: str
    secret: str

    @classmethod
    def make(cls) -> Secret:
        return cls(secrets.token_hex(6), secrets.token_urlsafe(32))

    @classmethod
    def parse(cls, text: str) -> Secret:
        found = FORM.fullmatch(text)
        if found is None:
            raise Unauthenticated(REFUSED)
        return cls(found["id"], found["secret"])

    @property
    def digest(self) -> bytes:
        return sha256(self.secret.encode()).digest()

    def __str__(self) -> str:
        return f"cm_{self.id}_{self.secret}"

    def __repr__(self) -> str:
        return f"Secret({self.id})"


class KeyView(View):
    """A key as everyone may see it."""

    id: str
    name: str
    role: Role
    job_types: list[str] | None
    """The only job types it may submit; null: all."""
    created_by: str
    created_at: Moment
    expires_at: Moment | None
    """Null: never."""
    revoked_at: Moment | None
    last_used_at: Moment | None
    """To the minute."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be written down."""

    id: str
    digest: bytes
    name: str
    role: Role
    job_types: tuple[str, ...] | None = None
    days: float | None = None
    """How long it is good; None: for ever."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What tells whether a key is good, by the database's clock."""

    digest: bytes
    actor: Actor
    is_good: bool
    seconds_left: float | None
    unseen: float | None
    """Seconds since its last use that was written down."""


class Keys(Protocol):
    """Where keys are kept. Changes and their audit are one."""

    def add(self, new: NewKey, by: str) -> KeyView: ...
    def find(self, key: str) -> KeyRecord | None: ...
    def touch(self, key: str) -> None:
        """It was used just now."""
        ...

    def list(self, after: str | None, limit: int) -> list[KeyView]:
        """By creation, newest first, those that follow the key `after`."""
        ...

    def revoke(self, key: str, by: str) -> tuple[KeyView, bool]:
        """It is good no more; whether that is new. Raises KeyNotFound."""
        ...


class KeyRing:
    """Identifies holders of keys. What it has looked up it believes for a few seconds, no longer."""

    def __init__(
        self, keys: Keys, lasts: float = 5.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.keys = keys
        self._lasts = lasts
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, KeyRecord | None]] = OrderedDict()
        self._lock = threading.Lock()

    def reads(self, credential: str) -> bool:
        return credential.startswith("cm_")

    def recall(self, credential: str) -> Actor | None:
        secret = Secret.parse(credential)
        with self._lock:
            until, record = self._known.get(secret.id, (0.0, None))
        return _checked(secret, record).actor if self._clock() < until else None

    def identify(self, credential: str) -> Actor:
        if (actor := self.recall(credential)) is not None:
            return actor  # another thread has asked meanwhile
        secret = Secret.parse(credential)
        began = self._clock()
        record = self.keys.find(secret.id)
        self._remember(secret.id, record, began)
        checked = _checked(secret, record)
        if checked.unseen is None or checked.unseen > TOUCH_AFTER:
            self._touch(secret.id)
        return checked.actor

    def revoke(self, key: str, by: str) -> tuple[KeyView, bool]:
        """Here it is good no more at once; in other processes as soon as they look again."""
        try:
            return self.keys.revoke(key, by)
        finally:
            with self._lock:
                self._known.pop(key, None)

    def _remember(self, key: str, record: KeyRecord | None, began: float) -> None:
        left = self._lasts
        if record is not None and record.seconds_left is not None:
            left = min(left, record.seconds_left)
        with self._lock:
            self._known[key] = (began + left, record)
            self._known.move_to_end(key)
            if len(self._known) > MOST:
                self._known.popitem(last=False)

    def _touch(self, key: str) -> None:
        try:
            self.keys.touch(key)
        except ServiceUnavailable as error:
            log.info("the use of key %s is not written down: %s", key, error)


def _checked(secret: Secret, record: KeyRecord | None) -> KeyRecord:
    digest = secret.digest
    known = b"" if record is None else record.digest
    if not hmac.compare_digest(digest, known) or record is None or not record.is_good:
        raise Unauthenticated(REFUSED)
    return record


def actor_of(key: str, name: str, role: Role, job_types: Iterable[str] | None) -> Actor:
    return Actor(Kind.KEY, key, name, role, None if job_types is None else frozenset(job_types))


def created(new: NewKey) -> dict[str, Any]:
    """What the audit tells of a new key."""
    types = None if new.job_types is None else list(new.job_types)
    return {"name": new.name, "role": new.role, "job_types": types, "days": new.days}
