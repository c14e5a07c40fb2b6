"""Dead letters: messages that were set aside are looked at, replayed, discarded."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple, Protocol

from core.errors import BadMessage, Conflict, CoreMachineError
from core.insights.views import Moment, View
from core.tasks import Wakeup


class LetterNotFound(CoreMachineError):
    """No message with that number is set aside."""

    code, status = "letter_not_found", 404


class LetterUnreadable(Conflict):
    """The message says nothing that this code understands, so it cannot be replayed."""

    code = "letter_unreadable"


class Letter(View):
    """A message that was set aside: it could not be read, or the queue gave up on it."""

    id: int
    queue: str
    message_id: str
    reason: str
    at: Moment
    text: str
    """What it says, as far as it is text."""
    task_id: str | None
    """The task that it is about, where it can be read."""


class LetterRow(NamedTuple):
    """A message as it is kept."""

    id: int
    queue: str
    message_id: str
    body: bytes
    reason: str
    at: datetime


class LetterBox(Protocol):
    """The part of the store that keeps them."""

    def letters(self, before: int | None, limit: int) -> list[LetterRow]:
        """Newest first, those older than number `before`."""
        ...

    def letter(self, number: int) -> LetterRow | None: ...
    def drop_letter(self, number: int) -> bool: ...
    def send_again(self, number: int, wakeup: Wakeup) -> bool:
        """Remove the letter and let its task be sent anew; False when the task does not wait for it."""
        ...


class Letters:
    """What people do with them."""

    def __init__(self, box: LetterBox) -> None:
        self.box = box

    def page(self, before: int | None, limit: int) -> list[Letter]:
        return [_letter(row) for row in self.box.letters(before, limit)]

    def get(self, number: int) -> Letter:
        return _letter(self._row(number))

    def replay(self, number: int) -> str:
        """Send the task anew, if it still waits for this message; what became of it, in words."""
        body = self._row(number).body
        try:
            wakeup = Wakeup.decode(body)
        except BadMessage as error:
            raise LetterUnreadable(
                f"{error}. Discard it, or replay it with code that reads it."
            ) from error
        if self.box.send_again(number, wakeup):
            return f"Task {wakeup.key} is sent again."
        return f"Task {wakeup.key} does not wait for this message any more, so it was discarded."

    def discard(self, number: int) -> None:
        if not self.box.drop_letter(number):
            raise LetterNotFound(f"No message {number} is set aside.")

    def _row(self, number: int) -> LetterRow:
        row = self.box.letter(number)
        if row is None:
            raise LetterNotFound(f"No message {number} is set aside.")
        return row


def _letter(row: LetterRow) -> Letter:
    try:
        task_id = str(Wakeup.decode(row.body).key)
    except BadMessage:
        task_id = None
    return Letter(
        id=row.id,
        queue=row.queue,
        message_id=row.message_id,
        reason=row.reason,
        at=row.at,
        text=row.body.decode(errors="replace"),
        task_id=task_id,
    )
