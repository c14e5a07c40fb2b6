"""Webhooks: what is told to whom, how it is signed, and what follows when it could not be told."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

PING = "webhook.test"
KINDS = frozenset(
    {
        "job.submitted",
        "job.admitted",
        "job.started",
        "job.paused",
        "job.resumed",
        "job.resubmitted",
        "job.replayed",
        "job.completed",
        "job.completed_with_errors",
        "job.failed",
        "job.cancelled",
        "stage.opened",
        "stage.planned",
        "stage.timed_out",
        "stage.closed",
        "stage.skipped",
        "stage.carried",
        "task.retried",
        "task.lost",
        "task.failed",
        "task.resubmitted",
        "decision.needed",
        "gate.approved",
        "gate.rejected",
    }
)
"""What a webhook can ask for: the events of jobs, `job_completed` as `job.completed`."""

HOURS = 3600.0
SCHEDULE = tuple(
    timedelta(seconds=s) for s in (5, 60, 300, 1800, *(h * HOURS for h in (2, 5, 10, 14, 20, 24)))
)
"""How long after each failed attempt the next one follows; there is none after the last."""
LONGEST_WAIT = timedelta(days=1)
OPENS_AFTER = 5
"""Failures in a row after which a target's circuit opens."""
FIRST_REST, LONGEST_REST = timedelta(seconds=30), timedelta(hours=1)
PER_TARGET = 4
"""How many deliveries are under way to one target at most, whatever the number of pumps."""
SLOW = timedelta(seconds=2)
KEPT_ANSWER = 1024
OVERLAP = timedelta(hours=24)
PREFIX = "whsec_"


class State(StrEnum):
    """Whether a webhook is told anything."""

    ACTIVE = "active"
    PAUSED = "paused"
    """Events are written down for it and wait."""
    DISABLED = "disabled"
    """The target has said that it is gone: nothing is written down."""


class DeliveryStatus(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a webhook wants to hear, and where. Empty filters let everything through."""

    url: str
    events: tuple[str, ...] = ()
    job_types: tuple[str, ...] = ()
    prefix: str = ""
    description: str = ""

    def wants(self, kind: str, job_type: str, job_id: str) -> bool:
        """The rule that app.wants is in SQL."""
        subject = kind.partition(".")[0]
        return (
            (not self.events or kind in self.events or f"{subject}.*" in self.events)
            and (not self.job_types or job_type in self.job_types)
            and job_id.startswith(self.prefix)
        )


def kind_of(event: str) -> str:
    """`job_completed` is `job.completed` to the world."""
    return event.replace("_", ".", 1)


def unknown_kinds(events: Collection[str]) -> list[str]:
    subjects = {f"{kind.partition('.')[0]}.*" for kind in KINDS}
    return sorted(set(events) - KINDS - subjects)


@dataclass(frozen=True, slots=True)
class Circuit:
    """How a target has been answering. It rests after failures in a row, then one delivery tries it."""

    failures: int = 0
    rests: timedelta | None = None
    """How long it is left alone from now on."""

    @property
    def is_open(self) -> bool:
        return self.failures >= OPENS_AFTER

    def after_failure(self, asked: timedelta | None = None) -> Circuit:
        """`asked`: what the target itself asked for, by Retry-After."""
        failures = self.failures + 1
        rest = asked
        if failures >= OPENS_AFTER:
            doubled = FIRST_REST * 2 ** min(failures - OPENS_AFTER, 10)
            rest = max(min(doubled, LONGEST_REST), asked or timedelta(0))
        return Circuit(failures, rest)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one attempt."""

    took: timedelta
    status_code: int | None = None
    error: str = ""
    answer: str = ""
    retry_after: timedelta | None = None

    @property
    def succeeded(self) -> bool:
        return self.status_code is not None and 200 <= self.status_code < 300

    @property
    def is_prompt(self) -> bool:
        """Whether its target need not be doubted."""
        return self.succeeded and self.took <= SLOW

    def circuit(self, failures: int) -> Circuit:
        """How its target stands now, that had failed so often in a row."""
        return Circuit() if self.succeeded else Circuit(failures).after_failure(self.retry_after)


@dataclass(frozen=True, slots=True)
class Delivered:
    """The target has it."""


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Not yet; another attempt follows."""

    delay: timedelta


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No attempt is left."""


@dataclass(frozen=True, slots=True)
class Disable:
    """The target is gone and wants nothing more."""


Consequence = Delivered | TryAgain | GiveUp | Disable


def consequence(attempt: Attempt, tries: int) -> Consequence:
    """What follows from an attempt that was the delivery's `tries`-th of this round."""
    if attempt.succeeded:
        return Delivered()
    if attempt.status_code == 410:
        return Disable()
    if tries > len(SCHEDULE):
        return GiveUp()
    delay = SCHEDULE[tries - 1] * random.uniform(0.9, 1.1)  # noqa: S311 - disperses a herd
    return TryAgain(min(max(delay, attempt.retry_after or timedelta(0)), LONGEST_WAIT))


def standing(then: Consequence) -> tuple[DeliveryStatus, timedelta]:
    """Where a delivery stands after it, and when it is due."""
    match then:
        case Delivered():
            return DeliveryStatus.DELIVERED, timedelta(0)
        case TryAgain(delay):
            return DeliveryStatus.WAITING, delay
        case GiveUp():
            return DeliveryStatus.FAILED, timedelta(0)
        case Disable():  # it waits with the others, should the webhook be resumed
            return DeliveryStatus.WAITING, timedelta(0)


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery that a courier has claimed. The attempt is the fence: only its holder can settle it."""

    delivery: int
    attempt: int
    tries: int
    webhook: UUID
    url: str
    message: UUID
    kind: str
    happened: datetime
    told: Mapping[str, Any]
    now: datetime
    """The store's clock at the claim."""
    secrets: Sequence[str] = field(repr=False)
    """Those that are valid, the newest first."""
    doubtful: bool = False
    """Whether its target may be slow or away."""

    @property
    def message_id(self) -> str:
        return message_id(self.message)

    def body(self, base: str = "") -> bytes:
        """The same bytes at every attempt."""
        data = dict(self.told)
        if job := data.get("job_id"):
            data["links"] = {
                "job": f"{base}/api/jobs/{job}",
                "events": f"{base}/api/jobs/{job}/events",
                "result": f"{base}/api/jobs/{job}/result",
            }
        told = {"type": self.kind, "timestamp": _moment(self.happened), "data": data}
        return json.dumps(told, separators=(",", ":")).encode()

    def headers(self, body: bytes) -> dict[str, str]:
        """As Standard Webhooks has them: one signature for each valid secret."""
        stamp = str(int(self.now.timestamp()))
        signed = " ".join(sign(secret, self.message_id, stamp, body) for secret in self.secrets)
        return {
            "Content-Type": "application/json",
            "User-Agent": "CoreMachine-Webhooks",
            "webhook-id": self.message_id,
            "webhook-timestamp": stamp,
            "webhook-signature": signed,
        }


def message_id(message: UUID) -> str:
    """What the receiver knows a delivery by."""
    return f"msg_{message.hex}"


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def sign(secret: str, message_id: str, stamp: str, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = hmac.new(key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(signed).decode()


def retry_after(header: str | None, now: datetime) -> timedelta | None:
    """Seconds or an HTTP date, as the header may be either; a day at most."""
    if header is None:
        return None
    if re.fullmatch(r"\s*\d{1,9}\s*", header):
        return min(timedelta(seconds=int(header)), LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max(at - now, timedelta(0)), LONGEST_WAIT)


def readable(body: bytes) -> str:
    """How an answer begins, as text that every store keeps."""
    return body[:KEPT_ANSWER].decode(errors="replace").replace("\0", "\ufffd")
