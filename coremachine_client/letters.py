"""Dead letters: messages that were set aside."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from coremachine_client.models import Answer
from coremachine_client.transport import Transport


class Letter(Answer):
    """A message that could not be read, or that the queue gave up on."""

    id: int
    queue: str
    message_id: str
    reason: str
    at: datetime
    text: str = ""
    """What it says, as far as it is text."""
    task_id: str | None = None
    """The task that it is about, where it can be read."""


class Replayed(Answer):
    """What became of a message."""

    message: str


class Letters:
    """What a client can do with messages that were set aside."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def __iter__(self) -> Iterator[Letter]:
        """Newest first."""
        return map(Letter.model_validate, self.transport.pages("/api/dead-letters", "letters"))

    def get(self, number: int) -> Letter:
        return self.transport.get(Letter, _path(number))

    def replay(self, number: int) -> str:
        """Send its task anew, if the task still waits for it; what became of it, in words."""
        return self.transport.post(Replayed, f"{_path(number)}/replay").message

    def discard(self, number: int) -> None:
        """Remove it."""
        self.transport.send("DELETE", _path(number))


def _path(number: int) -> str:
    return f"/api/dead-letters/{int(number)}"
