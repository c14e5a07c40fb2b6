"""Debian's Chromium, headless, for tests that look at pages as people do."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-swiftshader",
]
"""As root, and without asking anybody on the network for anything."""
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740}
DROP = """([name, text]) => {
    const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], name, { type: "application/octet-stream" }));
    return data;
}"""


def drop(page: Page, place: str, name: str, data: bytes) -> None:
    """As if somebody had dragged a file there from a folder of theirs."""
    carried = page.evaluate_handle(DROP, [name, base64.b64encode(data).decode()])
    for event in ("dragenter", "dragover", "drop"):
        page.dispatch_event(place, event, {"dataTransfer": carried})


@contextmanager
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("there is no Chromium; as root, make setup installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=240_000)
        try:
            yield browser
        finally:
            browser.close()
