"""Addresses without /api that users of earlier systems know."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

KNOWN = ("/forecast", "/fires")


class Aliases:
    """Lets `/forecast/...` mean `/api/forecast/...`, before anything looks at the path."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        if scope["type"] == "http" and any(f"{path}/".startswith(f"{name}/") for name in KNOWN):
            raw = scope.get("raw_path") or path.encode()
            scope = {**scope, "path": f"/api{path}", "raw_path": b"/api" + raw}
        await self.app(scope, receive, send)
