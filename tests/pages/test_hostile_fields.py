"""R124: whatever a user or a file can fill shows as text. What may not be said at all is refused, and the refusal is text too."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Page, expect

from core.blobs import BlobRef
from services.raster.models import COG_TYPE
from tests.http.house import House
from tests.pages.axe import AXE
from tests.pages.sample_jobs import MENDED, Fragile, Reviewed
from tests.pages.test_pages import HOSTILE, Parts, only_ours
from tests.support.rasters import hills, tiff
from tests.support.waiting import eventually

PARTS = ("", "/tasks", "/events", "/logs", "/timeline")
LISTS = ("/", "/status", "/jobs", "/history", "/submit", "/operate/audit")
LASTING = "<img src=x onerror='window.hit=1'>"
JOIN = "insert into app.sessions (session, host, pid, role) values (gen_random_uuid(), %s, 1, %s)"


@pytest.fixture(scope="module")
def more(pictured: dict[str, object]) -> dict[str, object]:
    return pictured


def send(client: httpx.Client, method: str, path: str, body: Any) -> bool:
    """Whether it was taken. A refusal is a document, never a page."""
    answer = client.request(method, path, json=body, headers={"Accept": "application/json"})
    assert answer.status_code in (200, 201, 202, 400, 404, 422), answer.text
    assert answer.headers["content-type"].startswith(("application/json", "application/problem"))
    return answer.status_code < 300


def shows(client: httpx.Client, address: str, text: str = "") -> None:
    page = client.get(address)
    assert page.status_code == 200, address
    assert only_ours(page.text), address
    assert text in Parts(page.text).text, address


@pytest.mark.parametrize("text", HOSTILE)
def test_errors_questions_and_notes(house: House, client: httpx.Client, text: str) -> None:
    """Error messages, the questions of gates, what is said in settling them, and why a job was cancelled."""
    MENDED.clear()
    text = text[:500]
    bad = house.submit(Fragile(name=text))
    gates = [house.submit(Reviewed(name=f"{n}{text}")) for n in range(3)]
    eventually(lambda: house.insights.job(bad).status.is_final, 60)
    waiting = lambda: {gate.job_id for gate in house.insights.gates()} >= set(gates)  # noqa: E731
    eventually(waiting, 60)
    shows(client, "/")
    shows(client, f"/jobs/{gates[0]}", f"Is 0{text} good?")
    here = [f"/api/jobs/{each}" for each in gates]
    assert send(client, "POST", f"{here[0]}/gates/review/approve", {"note": text})
    assert send(client, "POST", f"{here[1]}/gates/review/reject", {"note": text})
    assert send(client, "POST", f"{here[2]}/cancel", {"reason": text})
    for job_id in gates:
        eventually(lambda job_id=job_id: house.insights.job(job_id).status.is_final, 60)
    for job_id in (bad, *gates):
        for part in PARTS:
            shows(client, f"/jobs/{job_id}{part}")
    task = house.insights.tasks(bad).tasks[0].task_id
    shows(client, f"/jobs/{bad}/tasks/{task}", f"{text} is not mended yet")
    shows(client, f"/jobs/{gates[0]}/events", text[:300])
    for address in LISTS:
        shows(client, address)


@pytest.mark.parametrize("text", HOSTILE)
def test_names_and_descriptions_of_what_operators_keep(
    house: House, client: httpx.Client, text: str
) -> None:
    """Keys, webhooks, templates and schedules; those whose names are words of ours take no others."""
    address = quote(text, safe="")
    survey: dict[str, Any] = {"job_type": "survey", "parameters": {"area": text, "tags": [text]}}
    taken = send(client, "POST", "/api/keys", {"name": text[:100], "role": "reader"})
    assert taken
    assert send(client, "PUT", "/api/templates/kept", {**survey, "description": text})
    assert not send(client, "PUT", f"/api/templates/{address}", survey)
    cron = {**survey, "cron": "@daily", "name": text}
    assert not send(client, "POST", "/api/schedules", cron)
    hook = {"url": "https://93.184.216.34/hook", "description": text[:500]}
    assert send(client, "POST", "/api/webhooks", hook)
    assert not send(client, "POST", "/api/webhooks", {"url": f"https://{text}/", "events": [text]})
    shows(client, "/operate/keys", text[:100])
    shows(client, "/operate/webhooks", text[:500])
    shows(client, "/submit", text)
    shows(client, "/submit/survey?template=kept", text)
    for name in ("schedules", "audit"):
        shows(client, f"/operate/{name}")


@pytest.mark.parametrize("text", HOSTILE)
def test_names_of_workers(house: House, client: httpx.Client, text: str) -> None:
    """A worker says itself what its machine is called."""
    with house.database.transaction() as conn:
        conn.execute(JOIN, (text, text))
    shows(client, "/operate/workers", text)
    shows(client, "/status")


@pytest.mark.parametrize("text", HOSTILE)
def test_names_of_uploads_and_keys_of_json(house: House, client: httpx.Client, text: str) -> None:
    """What is sent in pieces, and a document whose keys and values are hostile."""
    name = text.replace("/", "|")[:800]
    ref = f"bronze/uploads/{name}"
    begun = client.post("/api/storage/uploads", json={"ref": ref, "size": 2})
    assert begun.status_code == 201, begun.text
    upload = begun.json()["id"]
    assert client.put(f"/api/storage/uploads/{upload}/0", content=b"{}").status_code < 300
    assert send(client, "POST", f"/api/storage/uploads/{upload}/complete", {})
    shows(client, "/storage?container=bronze-uploads", name)
    shows(client, "/pick/blobs?container=bronze-uploads", name)
    document = BlobRef(f"bronze/uploads/{name}.json")
    house.blobs.write(document, httpx.Response(200, json={text: [text]}).content)
    shows(client, f"/storage/blob?ref={quote(document, safe='')}")
    house.blobs.delete(BlobRef(ref))
    house.blobs.delete(document)


@pytest.mark.skipif(not AXE.exists(), reason="run make setup to install the pages' packages")
def test_descriptions_of_bands_are_text_in_the_viewer(page: Page, house: House) -> None:
    """A script fills them in, so a browser looks."""
    data = tiff(hills(64), names=[LASTING])
    house.blobs.write(BlobRef("silver/odd/bands.tif"), data, content_type=COG_TYPE)
    asset = {"href": "silver/odd/bands.tif", "type": COG_TYPE, "title": LASTING}
    item: dict[str, Any] = {
        "id": "bands", "collection": "odd", "bbox": [33, -1.81, 33.01, -1.8], "geometry": None, "type": "Feature",
        "properties": {"datetime": "2026-01-01T00:00:00Z", "title": LASTING}, "assets": {LASTING: asset, "b": asset}, "links": [],
    }  # fmt: skip
    house.catalog.add({"id": "odd", "type": "Collection", "title": LASTING}, [item])
    page.goto(f"/catalog/odd/bands?beside={quote(LASTING)}&at=33.003,-1.811")
    page.wait_for_selector("#viewer[data-ready]")
    expect(page.locator("#numbers-band")).to_have_text(LASTING)
    expect(page.locator('[name="bidx"] option').nth(1)).to_have_text(f"1: {LASTING}")
    expect(page.locator("#values dt").first).to_contain_text(LASTING)
    assert page.evaluate("window.hit") is None
