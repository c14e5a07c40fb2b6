"""Signing in: a key is entered once, and the browser keeps it where no script can read it."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from core.errors import Unauthenticated
from triggers.http.door.access import Doorkeeper
from triggers.http.door.sessions import LONGEST, PLAIN, SESSION
from triggers.pages.page import TheForm, ThePage

router = APIRouter(include_in_schema=False)


@router.get("/sign-in")
def sign_in(page: ThePage, next: str = "/") -> Response:
    """Where a key is entered."""
    return page.show("sign_in.html", next=_ours(next), wrong="")


@router.post("/sign-in")
async def enter(page: ThePage, form: TheForm) -> Response:
    """Keep the key, if it is good."""
    credential, target = str(form.get("key", "")).strip(), _ours(str(form.get("next", "/")))
    doorkeeper: Doorkeeper = page.request.app.state.doorkeeper
    client = page.request.client
    try:
        if not PLAIN.fullmatch(credential) or len(credential) > LONGEST:
            raise Unauthenticated("This is no key of this installation.")
        await doorkeeper.recognise(credential, client.host if client else "")
    except Unauthenticated as error:
        return page.show("sign_in.html", 401, next=target, wrong=str(error))
    answer = RedirectResponse(target, 303)
    page.keep(answer, SESSION, credential)
    return answer


@router.post("/sign-out")
async def leave() -> Response:
    """Forget the key."""
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(SESSION, httponly=True, samesite="strict")
    return answer


def _ours(target: str) -> str:
    """Where to go afterwards: only to a page of ours, whatever the address says."""
    parts = urlsplit(target)
    plain = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if plain and not parts.netloc and "\\" not in target else "/"
