"""The pages over a fresh database, with a worker that runs what is submitted."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from core.guard import UrlRules
from core.job import JobBase
from core.memory.blobs import MemoryBlobs
from core.registry import Registry
from core.upkeep.housekeeper import Housekeeper
from core.upkeep.keeping import Keeping
from core.upkeep.removal import Removal
from core.webhooks.desk import WebhookDesk
from infrastructure.calling import GuardedCaller
from infrastructure.mailroom import PostgresMailroom
from infrastructure.steward import PostgresSteward
from tests.http.house import House, house_of, serving
from tests.pages.axe import LOOKS
from tests.pages.burning import from_memory
from tests.pages.sample_jobs import JOBS
from tests.support.browser import chromium
from tests.support.services import fresh_database
from triggers.http.app import WebApp
from triggers.http.services import SettingLine
from triggers.local.postgres import PostgresServer

MODULES = Path(__file__).parents[2] / "node_modules"


def app_of(house: House, **more: object) -> WebApp:
    desk = WebhookDesk(
        PostgresMailroom(house.database), GuardedCaller(UrlRules()), house.machine.registry
    )
    steward = PostgresSteward(house.database)
    housekeeper = Housekeeper(steward, house.blobs, Removal(house.machine), Keeping())
    settings = (SettingLine("CM_BATCH", "500", is_default=True),)
    return house.app(
        **{
            "static_folder": MODULES,
            "tiles": False,
            "webhooks": desk,
            "housekeeper": housekeeper,
            "settings": settings,
            **more,
        }
    )


@contextmanager
def working(house: House) -> Iterator[None]:
    """A thread that runs what is due."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.02):
            while not stop.is_set() and (claims := house.claim()):
                house.runner.run(claims, patience=60)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(300)
        assert not thread.is_alive(), "a task still runs, and its house goes down"


@pytest.fixture(scope="module")
def registered() -> Sequence[type[JobBase]]:
    """The job types of a module's house."""
    return JOBS


@pytest.fixture(scope="module")
def house(
    postgres_server: PostgresServer,
    postgres_admin: psycopg.Connection,
    registered: Sequence[type[JobBase]],
) -> Iterator[House]:
    with (
        fresh_database(postgres_server, postgres_admin) as dsn,
        house_of(dsn, Registry.of(*registered)) as house,
        working(house),
    ):
        yield house


@pytest.fixture(scope="module")
def more() -> dict[str, object]:
    """What a module's app has beside the usual."""
    return {}


@pytest.fixture(scope="module")
def pictured(house: House) -> dict[str, object]:
    """Tiles of the rasters in memory."""
    return {"tiles": True, "rasters": from_memory(house.blobs)}


@pytest.fixture(scope="module")
def url(house: House, more: dict[str, object]) -> Iterator[str]:
    with serving(app_of(house, **more)) as url:
        yield url


@pytest.fixture(scope="module")
def blobs(house: House) -> MemoryBlobs:
    return house.blobs


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=120, headers={"Accept": "text/html"}) as client:
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for a module's tests; no longer, for while it runs no test of the same process can use `asyncio.run`."""
    expect.set_options(timeout=60_000)
    with chromium() as browser:
        yield browser


def is_wrong(said: ConsoleMessage) -> bool:
    """An answer that says no is an answer; what came of it is the page's to show.

    A question that a newer one replaced, or that took too long and is asked again, is an error to htmx alone.
    """
    is_answer = "409 (Conflict)" in said.text or "/point/" in said.location.get("url", "")
    is_given_up = said.text.startswith(("htmx:sendAbort,", "htmx:timeout,", "htmx:afterRequest,"))
    return said.type == "error" and not is_answer and not is_given_up


@pytest.fixture
def look() -> str:
    """How the window of `page` looks; a test may be parametrized over it."""
    return "desktop-light"


@pytest.fixture
def page(browser: Browser, url: str, look: str) -> Iterator[Page]:
    """A window in which nothing may go wrong unnoticed."""
    size, scheme = LOOKS[look]
    with browser.new_context(base_url=url, viewport=size, color_scheme=scheme) as context:
        page = context.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if is_wrong(said) else None)
        page.set_default_timeout(60_000)
        yield page
        assert wrong == []


@pytest.fixture
def slow_line(page: Page) -> None:
    """Every answer takes more than half a second to reach the page."""
    line = {"offline": False, "latency": 600, "downloadThroughput": -1, "uploadThroughput": -1}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", line)
