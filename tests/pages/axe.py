"""Looks at pages with axe, as every kind of window shows them."""

from collections.abc import Iterable
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.support.browser import DESKTOP, PHONE

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOOKS = {
    "desktop-light": (DESKTOP, "light"),
    "desktop-dark": (DESKTOP, "dark"),
    "phone-light": (PHONE, "light"),
    "phone-dark": (PHONE, "dark"),
}


def barriers(
    browser: Browser, url: str, addresses: Iterable[str], look: str, until: str = "body"
) -> dict[str, object]:
    """What keeps somebody out: violations of WCAG 2.2 AA by axe, and pages that are wider than their window."""
    size, scheme = LOOKS[look]
    found: dict[str, object] = {}
    with browser.new_context(base_url=url, viewport=size, color_scheme=scheme) as context:
        page = context.new_page()
        page.set_default_timeout(120_000)
        for address in addresses:
            page.goto(address, wait_until="load")
            page.wait_for_selector(until, timeout=60_000)
            if told := barriers_on(page):
                found[address] = told
    return found


def barriers_on(page: Page) -> list[object]:
    """The same of a page as it stands."""
    page.evaluate(AXE.read_text())
    run = f"axe.run(document, {{runOnly: {RULES!r}, resultTypes: ['violations']}})"
    told = page.evaluate(f"async () => (await {run}).violations")
    found: list[object] = [(each["id"], each["nodes"][0]["html"][:200]) for each in told]
    wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    return found + ([f"it is {wide[0]} wide"] if wide[0] > wide[1] else [])
