"""Slow lines, on which a page is there before its scripts are."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route


def holding(page: Page, script: str) -> Callable[[], Route]:
    """A slow line: the script comes when its route, which this gives, is told to go on."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(f"**/{script}", hold)

    def arrived() -> Route:
        for _ in range(600):
            if held:
                return held[0]
            page.wait_for_timeout(100)
        pytest.fail(f"{script} was not asked for")

    return arrived
