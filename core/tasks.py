"""Tasks as values: their keys, what a worker claims, and every way one can end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from core.errors import BadMessage, TaskNotFound
from core.queues import QueueName

PLAN = -1
"""The index of the task that plans its stage: it is of the stage, but gives no result to it."""


class TaskKey(NamedTuple):
    """Names one task for ever: run numbers are never reused, so no two jobs share a task id."""

    run: int
    stage: int
    idx: int

    def __str__(self) -> str:
        return f"{self.run}-{self.stage}-{'plan' if self.idx == PLAN else self.idx}"

    @classmethod
    def parse(cls, text: str) -> TaskKey:
        try:
            run, stage, index = text.split("-")
            return cls(int(run), int(stage), PLAN if index == "plan" else int(index))
        except ValueError:
            raise TaskNotFound(f"{text!r} is no task id; they look like 12-0-345") from None


class Wakeup(NamedTuple):
    """All that a queue message says: which task is due, and the attempt it is due for."""

    key: TaskKey
    attempt: int

    def encode(self) -> bytes:
        return f"1:{self.key}:{self.attempt}".encode()

    @property
    def message_id(self) -> str:
        return f"{self.key}-{self.attempt}"

    @classmethod
    def decode(cls, body: bytes) -> Wakeup:
        try:
            version, key, attempt = body.decode("ascii").split(":")
            if version != "1":
                raise BadMessage(
                    f"message version {version!r} is not known here; this code reads version 1"
                )
            return cls(TaskKey.parse(key), int(attempt))
        except (ValueError, UnicodeDecodeError, TaskNotFound) as error:
            raise BadMessage(f"not a task message: {body[:80]!r}") from error


@dataclass(frozen=True, slots=True)
class Payload:
    """JSON kept in the row, or the blob that holds it when it is large."""

    data: bytes | None = None
    ref: str | None = None


NOTHING = Payload()


@dataclass(frozen=True, slots=True)
class Claim:
    """A task that this worker now owns. `attempt` is the fence: only its holder can end the task."""

    key: TaskKey
    attempt: int
    failures: int
    queue: QueueName
    arguments: Payload = NOTHING


@dataclass(frozen=True, slots=True)
class TaskError:
    """Why an attempt failed, for people and for rules."""

    type: str
    message: str
    code: str = "task_failed"
    trace: str = ""

    def as_dict(self) -> dict[str, str]:
        return {"type": self.type, "message": self.message, "code": self.code, "trace": self.trace}


@dataclass(frozen=True, slots=True)
class Completed:
    """The task gave its result."""

    result: Payload


@dataclass(frozen=True, slots=True)
class Failed:
    """The task failed and will not be tried again."""

    error: TaskError


@dataclass(frozen=True, slots=True)
class Again:
    """The task will be tried again after a while; `counted` attempts run out, others do not."""

    delay: timedelta
    error: TaskError
    counted: bool


@dataclass(frozen=True, slots=True)
class Released:
    """The worker gives the task back unharmed."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A gate asked its question and waits for a person."""

    question: Payload


Ending = Completed | Failed | Again | Released | Asked


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one claimed attempt ended."""

    claim: Claim
    ending: Ending


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to be written down, with the element it works on."""

    idx: int
    arguments: Payload = NOTHING


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a job, for the live stream and the audit."""

    what: str
    stage: int | None = None
    idx: int | None = None
    attempt: int | None = None
    data: dict[str, Any] | None = None
