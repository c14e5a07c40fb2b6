"""Who acts: the name under which a change is written down."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

UNKNOWN = "anonymous"


async def actor_of(request: Request) -> str:
    """The caller, as whoever identified the request has named it."""
    return getattr(request.state, "actor", UNKNOWN)


TheActor = Annotated[str, Depends(actor_of)]


def about(request: Request, subject: object) -> None:
    """What the request changes, for the note that the gate writes; nothing, when it turns out to change nothing."""
    request.state.subject = str(subject or "")
