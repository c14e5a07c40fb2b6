"""The route table of the web app, as its routers tell it."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass

from fastapi.routing import APIRoute

from triggers.http import docs, tiles
from triggers.http.app import ROUTERS
from triggers.pages import routers


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    query: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)

    def path_with(self, value: str) -> str:
        return re.sub(r"{\w+}", lambda _: value, self.path)


def operations() -> list[Operation]:
    """Everything the API answers to."""
    routers = [*ROUTERS, *tiles.routers()]
    routes = [route for router in routers for route in router.routes]
    return _operations([route for route in routes if route.include_in_schema])


def pages() -> list[Operation]:
    """The documentation and the pages, which describe themselves to nobody."""
    return _operations([*docs.router.routes, *page_routes()])


def page_routes() -> list:
    return [route for router in routers.ROUTERS for route in router.routes]


def _operations(routes: list) -> list[Operation]:
    found = []
    for route in routes:
        assert isinstance(route, APIRoute)
        names = inspect.signature(route.endpoint).parameters
        query = tuple(n for n in ("limit", "cursor", "after", "status", "stage") if n in names)
        found += [Operation(method, route.path_format, query) for method in sorted(route.methods)]
    return found
