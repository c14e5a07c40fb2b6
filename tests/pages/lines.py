"""Slow lines, on which a page is there before its scripts are."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route

COUNT = """async () => {
    const pages = document.querySelector('script[src*="pages.js"]').src;
    window.live = await import(pages.replace("pages.js", "live.js"));
    window.swaps = 0;
    document.addEventListener("htmx:afterSwap", ({ target }) => { window.swaps += target.id === "live"; });
}"""


def holding(page: Page, path: str) -> Callable[[], Route]:
    """A slow line: the first answer comes when its route, which this gives, is told to go on."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    page.route(f"**/{path}", hold)

    def arrived() -> Route:
        for _ in range(600):
            if held:
                return held[0]
            page.wait_for_timeout(100)
        pytest.fail(f"{path} was not asked for")

    return arrived


def comes_true(page: Page, expression: str) -> None:
    """Asked again and again from here: the page's own policy forbids to evaluate text inside of it."""
    for _ in range(600):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    pytest.fail(f"{expression} did not come true")


def count_swaps(page: Page) -> None:
    """`swaps` is from now on how often the live part was shown anew; `live` is the module that does it."""
    page.evaluate(COUNT)
