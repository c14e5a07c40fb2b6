"""Messages that were set aside, over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel

from core.upkeep.letters import Letter, Letters
from triggers.http.requests import Limit, page_links
from triggers.http.services import TheSteward

router = APIRouter(prefix="/api/dead-letters", tags=["operate"])

Number = Annotated[int, Path(ge=1, lt=2**63)]


class LetterList(BaseModel):
    """A page of messages, newest first."""

    letters: list[Letter]
    links: dict[str, str | None]


class Replayed(BaseModel):
    """What became of a message."""

    message: str


@router.get("")
def dead_letters(
    request: Request,
    steward: TheSteward,
    cursor: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    limit: Limit = 50,
) -> LetterList:
    """Messages that could not be read, or that the queue has given up on."""
    found = Letters(steward).page(cursor, limit + 1)
    following = found[limit - 1].id if len(found) > limit else None
    return LetterList(letters=found[:limit], links=page_links(request, following))


@router.get("/{number}")
def dead_letter(number: Number, steward: TheSteward) -> Letter:
    """One of them."""
    return Letters(steward).get(number)


@router.post("/{number}/replay")
def replay_dead_letter(number: Number, steward: TheSteward) -> Replayed:
    """Send its task anew, if the task still waits for it."""
    return Replayed(message=Letters(steward).replay(number))


@router.delete("/{number}", status_code=204)
def discard_dead_letter(number: Number, steward: TheSteward) -> None:
    """Remove it."""
    Letters(steward).discard(number)
