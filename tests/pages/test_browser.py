"""People's journeys through the pages, in Chromium, with axe beside them."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from core.blobs import BlobRef
from tests.http.house import House
from tests.pages.axe import AXE, LOOKS, barriers
from tests.pages.catalogued import fill
from tests.pages.sample_jobs import MENDED, Fragile, Reviewed, Survey
from tests.pages.watching import ended, waiting
from tests.support import parquet

pytestmark = pytest.mark.skipif(
    not AXE.exists(), reason="run make setup to install the pages' packages"
)


def test_an_analyst_submits_a_job_and_watches_it_finish(page: Page, house: House) -> None:
    page.goto("/submit")
    page.get_by_role("link", name="survey").click()
    expect(page.locator("#checked")).to_contain_text("Not yet")
    page.get_by_label("area").fill("the lake")
    expect(page.locator("#checked")).to_contain_text("Ready")
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.locator(".head .status")).to_have_text("completed")
    expect(page.get_by_role("heading", name="Result")).to_be_visible()
    expect(page.locator("#times .band")).to_have_count(2)


def test_a_failed_job_is_tried_again_from_the_status_page(page: Page, house: House) -> None:
    MENDED.clear()
    job_id = ended(house, house.submit(Fragile(name="bridge")))
    page.goto("/status")
    row = page.locator(f"#job-{job_id}")
    expect(row).to_contain_text("bridge is not mended yet")
    MENDED.set()
    row.get_by_role("button", name="Retry").click()
    page.mouse.move(0, 0)  # lists stand still while somebody points at them
    expect(row.locator(".status")).to_have_text("completed")


def test_a_reviewer_finds_the_gate_at_home_and_approves(page: Page, house: House) -> None:
    job_id = waiting(house, house.submit(Reviewed(name="Ada")))
    page.goto("/")
    page.locator(f'.need a[href="/jobs/{job_id}"]').click()
    expect(page.locator(".wait")).to_contain_text("Is Ada good?")
    page.get_by_role("button", name="Approve").click()
    page.get_by_label("A note (others will read it)").fill("fine")
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    expect(page.locator(".head .status")).to_have_text("completed")
    assert house.insights.job(job_id).result == "Ada, by anonymous"


def test_a_list_stands_still_under_the_pointer(page: Page, house: House) -> None:
    ended(house, house.submit(Survey(area="first")))
    page.goto("/jobs")
    rows = page.locator("tbody tr")
    rows.first.hover()
    before = rows.first.get_attribute("id")
    ended(house, house.submit(Survey(area="second")))
    page.wait_for_timeout(1_500)  # as long as news would take to arrive
    assert rows.first.get_attribute("id") == before
    page.mouse.move(0, 0)
    expect(rows.first).not_to_have_id(before or "")


def test_a_blob_is_dropped_and_taken(page: Page, house: House, tmp_path: Path) -> None:
    page.goto("/submit/survey")
    page.get_by_text("more, which may be left as they are").click()
    (tmp_path / "dem<b>.tif").write_bytes(b"12345")
    page.locator("#drop-file").set_input_files(tmp_path / "dem<b>.tif")
    expect(page.get_by_label("source", exact=True)).to_have_value("bronze/uploads/dem<b>.tif")
    expect(page.locator("#checked")).to_contain_text("Not yet")
    page.get_by_role("button", name="Pick…").click()
    page.wait_for_selector("#picker-body:not(.htmx-settling) > form:not(.htmx-added)")
    expect(page.locator("#picker").get_by_label("Container")).to_have_value("bronze-uploads")
    page.get_by_role("button", name="dem<b>.tif").click()
    page.get_by_label("area").fill("dropped")
    expect(page.locator("#checked")).to_contain_text("5 B to read")


def test_files_are_sent_into_a_folder_and_looked_at(
    page: Page, house: House, tmp_path: Path
) -> None:
    """R124: a hostile name is sent, listed and shown as text."""
    (tmp_path / "rivers <b>.csv").write_text("name,length_km\nNile,6650\n")
    (tmp_path / "large.bin").write_bytes(bytes(9_000_000))
    page.goto("/storage?container=bronze-sent&prefix=2026/")
    expect(page.get_by_text("Nothing begins so")).to_be_visible()
    page.locator("#send-files").set_input_files(
        [tmp_path / "rivers <b>.csv", tmp_path / "large.bin"]
    )
    expect(page.locator("#sending")).to_contain_text("bronze/sent/2026/rivers <b>.csv is there.")
    expect(page.locator("#sending")).to_contain_text("bronze/sent/2026/large.bin is there.")
    expect(page.locator(".blobs")).to_contain_text("9.0 MB")
    page.locator("#send-files").set_input_files(tmp_path / "large.bin")  # the same once more
    expect(page.locator("#sending .wrong")).to_contain_text("exists already")
    page.get_by_role("link", name="rivers <b>.csv", exact=True).click()
    expect(page.get_by_role("cell", name="Nile")).to_be_visible()
    page.get_by_role("link", name="bronze-sent").click()
    expect(page.get_by_role("link", name="2026/")).to_be_visible()


def test_history_tells_of_a_day_and_of_a_month(page: Page, house: House) -> None:
    MENDED.clear()
    ended(house, house.submit(Survey(area="past", parts=4)))
    ended(house, house.submit(Fragile(name="dam 7")))
    page.goto("/history")
    expect(page.get_by_role("row", name=re.compile("survey"))).to_be_visible()
    expect(page.locator(".panel", has_text="Why tasks failed")).to_contain_text(
        "dam … is not mended"
    )
    page.get_by_role("link", name="30 days").click()
    expect(page.locator(".tabs [aria-current]")).to_have_text("30 days")
    with page.expect_download() as got:
        page.get_by_role("link", name="Numbers as CSV").click()
    assert got.value.suggested_filename == "coremachine-30d.csv"
    assert "survey" in got.value.path().read_text()


def test_everything_can_be_reached_with_the_keyboard(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_light_and_dark_are_remembered(page: Page) -> None:
    page.goto("/status")
    page.get_by_role("button", name="Change between light and dark").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.goto("/jobs")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 26)"


@pytest.fixture(scope="module")
def addresses(house: House) -> list[str]:
    """One of every kind of page, none of them empty."""
    fill(house.catalog)
    MENDED.clear()
    good = ended(house, house.submit(Survey(area="<b>walk</b>", parts=3)))
    bad = ended(house, house.submit(Fragile(name="walk" * 300)))
    gate = waiting(house, house.submit(Reviewed(name="walk")))
    for name in ("a.csv", "b/c.txt", "d.json", "e.tif", "<b>" * 300):
        house.blobs.write(BlobRef(f"bronze/walk/{name}"), b'{"n": 1}')
    footer = parquet.footer([{1: 6, 3: 1, 4: "name"}], 3, {"columns": {"shape": {}}})
    house.blobs.write(BlobRef("bronze/walk/f.parquet"), parquet.file(footer))
    task = house.insights.tasks(bad).tasks[0].task_id
    parts = [f"/jobs/{good}{part}" for part in ("", "/tasks", "/events", "/logs", "/timeline")]
    tabs = ["workers", "schedules", "webhooks", "database", "settings", "keys", "audit"]
    return [
        *("/", "/status", "/jobs", "/submit", "/submit/survey", "/sign-in", "/nowhere", "/operate"),
        *parts,
        *(f"/storage{each}" for each in ("", "?container=bronze-walk", "?container=gold-none")),
        *(
            f"/storage/blob?ref=bronze/walk/{each}"
            for each in ("a.csv", "d.json", "e.tif", "f.parquet")
        ),
        "/history",
        "/history?span=30d",
        *(f"/jobs/{each}" for each in (bad, gate, f"{bad}/tasks/{task}")),
        *(f"/operate/{tab}" for tab in tabs),
    ]


@pytest.mark.parametrize("look", LOOKS)
def test_no_page_keeps_anybody_out(
    browser: Browser, url: str, addresses: list[str], look: str
) -> None:
    """WCAG 2.2 AA by axe on every page; nothing is wider than its window."""
    assert barriers(browser, url, addresses, look) == {}


def test_the_map_shows_the_newest_datasets(page: Page, house: House) -> None:
    fill(house.catalog)
    page.goto("/")
    expect(page.locator("[data-map][data-ready]")).to_be_visible()
    expect(page.locator(".maplibregl-canvas")).to_be_visible()
    assert re.search(r"\d+ ?", page.locator(".cards").inner_text())
