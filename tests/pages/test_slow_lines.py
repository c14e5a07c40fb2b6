"""What is done before a page is all there, while an answer is on its way, or twice at once: nothing is lost or doubled."""

import re

import pytest
from playwright.sync_api import Browser, FilePayload, Page, Route, expect

from tests.http.house import House
from tests.pages.axe import AXE
from tests.pages.lines import comes_true, count_swaps, holding
from tests.pages.sample_jobs import Reviewed, Survey
from tests.pages.watching import ended, waiting
from tests.support.browser import drop

pytestmark = pytest.mark.skipif(
    not AXE.exists(), reason="run make setup to install the pages' packages"
)


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
    comes_true(page, f"swaps >= {before + 2}")


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


def test_a_file_dropped_before_somebody_listens_is_sent(page: Page) -> None:
    held = holding(page, "send.js")
    page.goto("/storage?container=bronze-dropped", wait_until="commit")
    page.wait_for_selector("#send")
    drop(page, "#send", "early.csv", b"a,b\n1,2\n")
    held().continue_()
    expect(page.locator("#sending")).to_contain_text("bronze/dropped/early.csv is there.")


def test_light_and_dark_change_before_the_page_is_all_there(page: Page) -> None:
    held = holding(page, "pages.js")
    page.goto("/status", wait_until="commit")
    page.get_by_role("button", name="Change between light and dark").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    held().continue_()


def test_what_happened_before_the_stream_was_there_is_shown(page: Page, house: House) -> None:
    """The stream begins with how it is, and that may differ from how the page was written."""
    held = holding(page, "status/stream")
    page.goto("/jobs")
    answer = held()
    job_id = ended(house, house.submit(Survey(area="meanwhile")))
    page.mouse.move(0, 0)
    answer.continue_()
    expect(page.locator(f'#live a[href="/jobs/{job_id}"]').first).to_be_visible()


def test_a_refresh_without_an_answer_is_asked_for_again(
    browser: Browser, url: str, house: House
) -> None:
    """Also one that is told to come later."""
    job_id = waiting(house, house.submit(Reviewed(name="unanswered")))
    asked: list[Route] = []

    def answer(route: Route) -> None:
        if route.request.resource_type == "document":
            return route.continue_()
        asked.append(route)
        if len(asked) == 1:
            return route.abort()
        return route.fulfill(status=503) if len(asked) == 2 else route.continue_()

    with browser.new_context(base_url=url) as context:
        page = context.new_page()
        page.route(f"**/jobs/{job_id}", answer)
        page.goto(f"/jobs/{job_id}")
        count_swaps(page)
        page.evaluate("live.refresh()")
        comes_true(page, "swaps >= 1")
        assert len(asked) >= 3


def test_two_quick_presses_ask_once(page: Page, house: House) -> None:
    job_id = ended(house, house.submit(Survey(area="twice")))
    sent: list[str] = []
    page.on("request", lambda it: sent.append(it.url) if it.method == "DELETE" else None)
    page.goto(f"/jobs/{job_id}")
    held = holding(page, f"jobs/{job_id}?dry_run=true")
    button = page.get_by_role("button", name="Delete")
    button.click()
    answer = held()
    button.click()
    answer.continue_()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page).to_have_url(re.compile("/jobs$"))
    assert [each.partition("?")[2] for each in sent] == ["dry_run=true", ""]


def test_a_question_that_cannot_be_put_together_is_told_and_may_be_asked_again(
    browser: Browser, url: str, house: House
) -> None:
    job_id = ended(house, house.submit(Survey(area="away")))
    with browser.new_context(base_url=url) as context:
        page = context.new_page()
        page.goto(f"/jobs/{job_id}")
        button = page.get_by_role("button", name="Delete")
        page.route("**/*dry_run=true", lambda it: it.abort())
        button.click()
        expect(page.locator("#said")).to_contain_text("The server does not answer")
        page.unroute("**/*dry_run=true")
        button.click()
        expect(page.get_by_role("dialog")).to_contain_text("With it go")


def test_a_finger_that_scrolls_over_the_timeline_does_not_stop_it(page: Page, house: House) -> None:
    job_id = waiting(house, house.submit(Reviewed(name="scrolled")))
    page.goto(f"/jobs/{job_id}")
    band = page.locator("#times .band svg").first
    expect(band).to_be_attached()
    page.wait_for_timeout(2_000)  # what the stream told at its beginning has been shown
    band.dispatch_event("pointerdown", {"clientX": 10, "bubbles": True})
    band.dispatch_event("pointercancel", {"bubbles": True})
    expect(page.locator(".brush")).to_have_count(0)
    with page.expect_request(re.compile(f"{job_id}/timeline|times")):
        page.evaluate("document.dispatchEvent(new Event('refreshed'))")
