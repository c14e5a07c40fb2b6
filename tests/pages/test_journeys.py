"""The main journeys, on real data, at desktop and phone width, in light and dark; and hostile names on the way."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.job import JobBase
from jobs.process_raster import ProcessRaster
from tests.http.house import House
from tests.pages.axe import AXE, LOOKS, barriers_on
from tests.pages.sample_jobs import MENDED, Fragile, Reviewed
from tests.support.browser import drop
from tests.support.rasters import hills, tiff
from tests.support.waiting import eventually

NUMBER = re.compile(r"^-?[\d.,]+$")
HOSTILE = "<img src=x onerror='window.hit=1'>"
pytestmark = pytest.mark.skipif(
    not AXE.exists(), reason="run make setup to install the pages' packages"
)


@pytest.fixture(scope="module")
def registered() -> tuple[type[JobBase], ...]:
    return (ProcessRaster, Fragile, Reviewed)


@pytest.fixture(scope="module")
def more(pictured: dict[str, object]) -> dict[str, object]:
    return pictured


def process(page: Page, container: str, name: str, data: bytes, band: str = HOSTILE) -> None:
    """From a file of somebody's own to the values of a place."""
    page.goto(f"/storage?container=bronze-{container}")
    drop(page, "#send", name, data)
    expect(page.locator("#sending")).to_contain_text(f"bronze/{container}/{name} is there.")
    expect(page.locator(".blobs")).to_contain_text(name)
    page.get_by_role("link", name="Submit", exact=True).click()
    page.get_by_role("link", name="process_raster").click()
    page.get_by_role("button", name="Pick…").first.click()
    page.wait_for_selector("#picker-body:not(.htmx-settling) > form:not(.htmx-added)")
    page.locator("#picker").get_by_label("Container").select_option(f"bronze-{container}")
    page.get_by_role("button", name=name).click()
    page.locator('[name="p.collection"]').fill(container)
    page.get_by_text("more, which may be left as they are").click()
    page.locator('[name="p.band_names"]').fill(json.dumps({"1": band}))
    expect(page.locator("#checked")).to_contain_text("Ready")
    expect(page.locator("#checked")).to_contain_text("to read")
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.locator(".head .status")).to_have_text("completed")
    page.get_by_role("link", name="The item in the catalog").click()
    page.wait_for_selector("#viewer[data-ready]")
    page.locator("#left").click()
    expect(page.locator("#values dd").first).to_have_text(NUMBER)


@pytest.mark.parametrize("look", LOOKS)
def test_a_raster_is_dropped_processed_and_looked_at(page: Page, house: House, look: str) -> None:
    """R124: the file has a hostile name, and so has a band."""
    process(page, look, f"hills {HOSTILE}.tif", tiff(hills(256)))
    page.get_by_text("All of it as JSON").click()
    expect(page.locator("details pre")).to_contain_text(HOSTILE)
    assert page.evaluate("window.hit") is None
    assert barriers_on(page) == []


def test_a_real_raster_is_dropped_processed_and_looked_at(page: Page, shared: Path) -> None:
    data = (shared / "data" / "raster" / "dtm.tif").read_bytes()
    process(page, "real", "dtm.tif", data, "height")
    expect(page.locator("#histogram rect")).to_have_count(40)


@pytest.mark.parametrize("look", LOOKS)
def test_a_failed_task_is_tried_again(page: Page, house: House, look: str) -> None:
    """R124: its error message is hostile."""
    MENDED.clear()
    name = f"bridge {HOSTILE} {look}"
    job_id = house.submit(Fragile(name=name))
    eventually(lambda: house.insights.job(job_id).status.is_final, 60)
    page.goto(f"/jobs/{job_id}")
    expect(page.locator(".failure .message")).to_have_text(f"{name} is not mended yet")
    assert barriers_on(page) == []
    MENDED.set()
    with page.expect_event("load"):  # a page of a job loads itself anew after an act
        page.get_by_role("button", name="Retry this task").click()
    page.mouse.move(0, 0)  # lists stand still while somebody points at them
    expect(page.locator(".head .status")).to_have_text("completed")
    assert page.evaluate("window.hit") is None


@pytest.mark.parametrize("look", LOOKS)
def test_a_gate_is_settled(page: Page, house: House, look: str) -> None:
    """R124: its question and the note are hostile."""
    job_id = house.submit(Reviewed(name=f"{HOSTILE} {look}"))
    eventually(lambda: any(gate.job_id == job_id for gate in house.insights.gates()), 60)
    page.goto("/")
    page.locator(f'.need a[href="/jobs/{job_id}"]').click()
    expect(page.locator(".wait")).to_contain_text(f"Is {HOSTILE} {look} good?")
    page.get_by_role("button", name="Approve").click()
    page.get_by_label("A note (others will read it)").fill(HOSTILE)
    assert barriers_on(page) == []
    with page.expect_event("load"):
        page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    expect(page.locator(".head .status")).to_have_text("completed")
    page.goto(f"/jobs/{job_id}/events")
    expect(page.locator("main")).to_contain_text(HOSTILE)
    assert page.evaluate("window.hit") is None
