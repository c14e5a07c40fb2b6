"""One page for one request: who looks, what they may do, and a template that is filled."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import FormData

from core.identity import NOBODY, Actor
from triggers.http.door.access import Doorkeeper
from triggers.http.door.roles import rule_of
from triggers.http.door.sessions import (
    FIELD,
    READING,
    SESSION,
    VISIT,
    cookie_in,
    is_deliberate,
    refuse_foreign_page,
    refuse_wrong_token,
    token_for,
)
from triggers.http.services import Services
from triggers.listening import Mode
from triggers.pages.assets import version
from triggers.pages.formats import FILTERS

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
FIELDS = 1_000
"""How many fields a form may have."""


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = cast(dict[str, Any], made.filters)  # pyright: ignore[reportUnknownMemberType]
    filters.update(FILTERS)
    return made


ENVIRONMENT = _environment()


@dataclass(frozen=True)
class Page:
    """What every template knows as `page`."""

    request: Request

    @property
    def services(self) -> Services:
        return self.request.app.state.services

    @property
    def actor(self) -> Actor:
        return getattr(self.request.state, "caller", NOBODY)

    @property
    def here(self) -> str:
        return self.request.url.path

    @property
    def is_identified(self) -> bool:
        """Whether callers have to say who they are."""
        return self.services.access.mode is Mode.REQUIRED

    def asset(self, name: str) -> str:
        return f"/assets/{version(self.services.static_folder)}/{name}"

    def may(self, method: str, path: str, **parameters: str) -> bool:
        """Whether who looks may use that route, by the table of roles."""
        rule = rule_of(method, path)
        assert rule is not None, f"{method} {path} is no route"
        doorkeeper = cast(Doorkeeper, self.request.app.state.doorkeeper)
        return doorkeeper.permits(self.actor, rule, parameters)

    @property
    def token(self) -> str:
        """What forms and buttons of this page carry."""
        return token_for(self.secret)

    @property
    def secret(self) -> str:
        kept = cookie_in(self.request.headers, SESSION) or cookie_in(self.request.headers, VISIT)
        if kept is None:
            kept = getattr(self.request.state, "visit", None)
        if kept is None:
            kept = self.request.state.visit = secrets.token_urlsafe(24)
        return kept

    def show(self, template: str, code: int = 200, /, **values: Any) -> HTMLResponse:
        text = ENVIRONMENT.get_template(template).render(page=self, **values)
        answer = HTMLResponse(text, code, HEADERS)
        if (visit := getattr(self.request.state, "visit", None)) is not None:
            self.keep(answer, VISIT, visit)
        return answer

    def keep(self, answer: Response, name: str, value: str) -> None:
        """For this browser and for pages of ours only; gone when it is closed."""
        answer.set_cookie(
            name,
            value,
            httponly=True,
            samesite="strict",
            secure=self.request.url.scheme == "https",
        )


async def page_of(request: Request) -> Page:
    return Page(request)


async def form_of(request: Request) -> FormData:
    return await request.form(max_files=0, max_fields=FIELDS)


ThePage = Annotated[Page, Depends(page_of)]
TheForm = Annotated[FormData, Depends(form_of)]


async def genuine(request: Request) -> None:
    """A form changes something only when a page of ours has sent it."""
    if request.method in READING or is_deliberate(request.headers):
        return
    refuse_foreign_page(request.headers)
    given = request.headers.get("x-csrf-token") or (await form_of(request)).get(FIELD)
    refuse_wrong_token(given, request.headers)
