"""The gate before every route: nothing passes that the table of roles does not let pass."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anyio import to_thread
from fastapi import FastAPI, Request
from fastapi.routing import iter_route_contexts
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.audit import Audit
from core.errors import CoreMachineError, Forbidden, RateLimited, Unauthenticated
from core.identity import Actor
from triggers.http.door.access import Asked, Doorkeeper
from triggers.http.door.roles import Rule, rule_of
from triggers.http.problems import problem

log = logging.getLogger(__name__)

CHALLENGE = 'Bearer realm="coremachine"'


@dataclass(frozen=True, slots=True)
class Door:
    """A route of the app, and how it is found."""

    pattern: re.Pattern[str]
    methods: frozenset[str]
    path: str


class Gate:
    """Finds the route as the app will, asks the doorkeeper, and writes down what has no other writer."""

    def __init__(self, app: ASGIApp, doorkeeper: Doorkeeper, audit: Audit) -> None:
        self.app = app
        self.doorkeeper = doorkeeper
        self.audit = audit
        self._doors: list[Door] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        try:
            rule, parameters = self._rule(scope)
            actor = await self.doorkeeper.admit(_asked(scope, rule, parameters))
        except CoreMachineError as error:
            return await refuse(error, scope, receive, send)
        state = scope.setdefault("state", {})
        state |= {"actor": actor.name, "caller": actor, "rule": rule}
        if rule is not None and rule.note:
            send = _Noted(self.audit, rule.note, scope, receive, send).send
        return await self.app(scope, receive, send)

    def _rule(self, scope: Scope) -> tuple[Rule | None, Mapping[str, str]]:
        """The rule of the route that will answer; none where no route does. A route without a rule is refused."""
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        for door in self._all(scope["app"]):
            if (found := door.pattern.match(path)) and scope["method"] in door.methods:
                rule = rule_of(scope["method"], door.path)
                if rule is None:
                    log.error("%s %s has no row in the table of roles", scope["method"], door.path)
                    raise Forbidden("Nobody may use this route: it has no role.")
                return rule, found.groupdict()
        return None, {}

    def _all(self, app: FastAPI) -> list[Door]:
        """In the app's own order. An app mounted in it has no methods, so that it counts for all of them."""
        if self._doors is None:
            contexts = [c for c in iter_route_contexts(app.routes) if c.path is not None]
            self._doors = [
                Door(c.path_regex, frozenset(c.methods or EVERY), c.path_format or c.path or "")
                for c in contexts
            ]
        return self._doors


EVERY = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")


def _asked(scope: Scope, rule: Rule | None, parameters: Mapping[str, str]) -> Asked:
    client = scope.get("client")
    headers = Headers(scope=scope)
    return Asked(rule, scope["method"], parameters, client[0] if client else "", headers)


async def refuse(error: CoreMachineError, scope: Scope, receive: Receive, send: Send) -> None:
    headers: dict[str, str] = {}
    if isinstance(error, Unauthenticated):
        given = Headers(scope=scope)
        is_wrong = "authorization" in given or "x-api-key" in given
        headers["WWW-Authenticate"] = CHALLENGE + (', error="invalid_token"' if is_wrong else "")
    if isinstance(error, RateLimited):
        headers["Retry-After"] = str(math.ceil(error.seconds))
    await problem(error, scope["correlation_id"], headers)(scope, receive, send)


async def admitted(request: Request) -> None:
    """The second lock: the route that answers must be the one that the gate has let pass."""
    rule: Rule | None = getattr(request.state, "rule", None)
    path: str = request.scope["route"].path_format
    if rule is None or rule.path != path:
        raise Forbidden("Nobody may use this route: it was not the one that was asked for.")


class _Noted:
    """Writes the note before the caller learns that the change went well, so that none is told and not written."""

    def __init__(
        self, audit: Audit, action: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._audit = audit
        self._action = action
        self._scope = scope
        self._receive = receive
        self._send = send
        self._failed = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and 200 <= message["status"] < 300:
            try:
                await to_thread.run_sync(self._note)
            except CoreMachineError as error:
                self._failed = True
                await refuse(error, self._scope, self._receive, self._send)
        if not self._failed:
            await self._send(message)

    def _note(self) -> None:
        state: dict[str, Any] = self._scope["state"]
        caller: Actor = state["caller"]
        if subject := str(state.get("subject", self._scope["path"])):
            self._audit.note(caller.name, self._action, subject[:1000])
