"""People's journeys through the pages, in Chromium, with axe beside them."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from core.blobs import BlobRef
from tests.http.house import House
from tests.pages.axe import AXE, LOOKS, barriers
from tests.pages.catalogued import fill
from tests.pages.lines import comes_true, count_swaps, holding
from tests.pages.sample_jobs import MENDED, Fragile, Reviewed, Survey
from tests.support import parquet
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(
    not AXE.exists(), reason="run make setup to install the pages' packages"
)


def ended(house: House, job_id: str) -> str:
    eventually(lambda: house.insights.job(job_id).status.is_final, 60)
    return job_id


def waiting(house: House, job_id: str) -> str:
    eventually(lambda: any(gate.job_id == job_id for gate in house.insights.gates()), 60)
    return job_id


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
    page.locator("#picker").get_by_label("Container").select_option("bronze-uploads")
    page.get_by_role("button", name="dem<b>.tif").click()
    page.get_by_label("area").fill("dropped")
    expect(page.locator("#checked")).to_contain_text("5 B to read")


def test_a_button_cannot_be_pressed_before_somebody_listens(page: Page) -> None:
    """On a slow line the page is there before its scripts are."""
    page.route("**/form.js", lambda it: it.fulfill(body="", content_type="text/javascript"))
    page.goto("/submit/survey")
    page.get_by_text("more, which may be left as they are").click()
    expect(page.get_by_role("button", name="Pick…")).to_be_disabled()
    page.unroute("**/form.js")
    page.reload()
    expect(page.get_by_role("button", name="Pick…", include_hidden=True)).to_be_enabled()


def test_news_that_come_while_an_answer_is_on_its_way_are_shown_too(
    page: Page, house: House
) -> None:
    """On a slow line; the timeline that follows every answer does not take their place."""
    job_id = waiting(house, house.submit(Reviewed(name="news")))
    page.goto(f"/jobs/{job_id}")
    count_swaps(page)
    page.wait_for_timeout(2_000)  # what the stream told at its beginning has been shown
    before = page.evaluate("swaps")
    held = holding(page, f"jobs/{job_id}")
    page.evaluate("live.refresh()")
    first = held()
    page.evaluate("live.refresh()")
    page.wait_for_timeout(500)
    first.continue_()
    comes_true(page, f"swaps === {before + 2}")


@pytest.mark.parametrize("asked", ["during the press", "before the press"])
def test_a_press_is_not_lost_when_the_page_changes_under_it(
    page: Page, house: House, asked: str
) -> None:
    """A live page changes every second, and a press takes a tenth of one."""
    job_id = waiting(house, house.submit(Reviewed(name=asked)))
    page.goto(f"/jobs/{job_id}")
    count_swaps(page)
    button = page.get_by_role("button", name="Approve")
    if asked == "before the press":
        held = holding(page, f"jobs/{job_id}")
        page.evaluate("live.refresh()")
        answer = held()
        button.hover()
        page.mouse.down()
        answer.continue_()
    else:
        button.hover()
        page.mouse.down()
        page.evaluate("live.refresh()")
    before = page.evaluate("swaps")
    page.wait_for_timeout(1_000)
    assert page.evaluate("swaps") == before
    page.mouse.up()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Approve")).to_be_visible()
    dialog.get_by_role("button", name="Leave it").click()
    page.mouse.move(0, 0)
    comes_true(page, f"swaps > {before}")  # what was held back comes


@pytest.mark.usefixtures("slow_line")
def test_on_a_slow_line_the_last_that_was_entered_is_checked(page: Page) -> None:
    page.goto("/submit/survey")
    for area in ("", "the lake", "", "the shore"):
        page.get_by_label("area").fill(area)
        page.wait_for_timeout(500)  # by now it is checked, and the answer is on its way
    expect(page.locator("#checked")).to_contain_text("the shore")
    expect(page.locator("#checked")).to_contain_text("Ready")


def test_a_button_pressed_before_somebody_listens_acts_then(page: Page, house: House) -> None:
    job_id = waiting(house, house.submit(Reviewed(name="Early")))
    held = holding(page, "pages.js")
    page.goto(f"/jobs/{job_id}", wait_until="commit")
    page.get_by_role("button", name="Approve").click()
    held().continue_()
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    expect(page.locator(".head .status")).to_have_text("completed")


def test_a_filter_set_before_somebody_listens_is_followed(page: Page) -> None:
    held = holding(page, "pages.js")
    page.goto("/jobs", wait_until="commit")
    page.get_by_label("Status").select_option("failed")
    held().continue_()
    expect(page).to_have_url(re.compile("status=failed"))


@pytest.mark.parametrize(
    ("page_of", "chooser", "script", "said"),
    [
        ("/storage?container=bronze-early", "#send-files", "send.js", "#sending"),
        ("/submit/survey", "#drop-file", "form.js", "#drop-said"),
    ],
    ids=["storage", "form"],
)
def test_a_file_chosen_before_somebody_listens_is_sent(
    page: Page, page_of: str, chooser: str, script: str, said: str
) -> None:
    """On a slow line a person has chosen before the page's script is there."""
    held = holding(page, script)
    page.goto(page_of, wait_until="commit")
    early = FilePayload(name=f"early{script}.csv", mimeType="text/csv", buffer=b"a,b\n1,2\n")
    page.locator(chooser).set_input_files(early)
    assert page.locator(said).inner_text() == ""
    held().continue_()
    expect(page.locator(said)).to_contain_text(f"early{script}.csv is there.")


def test_a_file_dropped_beside_its_place_does_not_open(page: Page) -> None:
    page.goto("/storage?container=bronze-beside")
    answers = page.evaluate(
        """() => ["Files", "text/plain"].map((kind) => {
            const carried = new DataTransfer();
            if (kind === "Files") carried.items.add(new File(["a"], "a.csv")); else carried.setData(kind, "a");
            const drop = new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: carried });
            return !document.querySelector("h1").dispatchEvent(drop);
        })"""
    )
    assert answers == [True, False], "a file is kept from opening, text goes where it is dropped"


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
