"""The operator's view of the database over HTTP, and what may be done to it."""

from collections.abc import Iterator
from datetime import timedelta

import httpx
import psycopg
import pytest

from core.upkeep.housekeeper import Housekeeper
from core.upkeep.keeping import Keeping
from core.upkeep.removal import Removal
from infrastructure.steward import PostgresSteward
from tests.http.house import House, serving
from tests.http.sample_jobs import Choosy


@pytest.fixture(params=[False])
def operator(house: House, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    steward, keeping = PostgresSteward(house.database), Keeping(details=timedelta(0))
    housekeeper = Housekeeper(steward, house.blobs, Removal(house.machine), keeping)
    app = house.app(housekeeper=housekeeper, development=request.param)
    with serving(app) as url, httpx.Client(base_url=url, timeout=120) as client:
        yield client


def maintain(operator: httpx.Client, **query: str) -> httpx.Response:
    return operator.post("/api/dbadmin/maintenance", params=query)


def test_operators_see_connections_tables_and_migrations(
    operator: httpx.Client, house: House
) -> None:
    with psycopg.connect(house.database.dsn, application_name="a guest"):
        activity = operator.get("/api/dbadmin/activity").json()["activity"]
    assert "a guest" in [each["application"] for each in activity]
    assert operator.get("/api/dbadmin/activity?type=locks").json()["activity"] == []
    assert operator.get("/api/dbadmin/activity?type=slow").json()["activity"] == []
    tables = operator.get("/api/dbadmin/tables").json()["tables"]
    assert "app.tasks" in [each["name"] for each in tables]
    assert operator.get("/api/dbadmin/migrations").json()["missing"] == []
    assert maintain(operator, action="ensure").json()["applied"] == []


def test_dead_letters_are_listed_shown_replayed_and_discarded(
    operator: httpx.Client, house: House
) -> None:
    for number in range(3):
        house.store.quarantine("jobs", f"m{number}", b"nonsense", "not a task message")
    page = operator.get("/api/dead-letters?limit=2").json()
    rest = operator.get(page["links"]["next"]).json()
    ids = [each["id"] for each in page["letters"] + rest["letters"]]
    assert len(ids) == 3
    assert operator.get(f"/api/dead-letters/{ids[0]}").json()["message_id"] == "m2"
    refused = operator.post(f"/api/dead-letters/{ids[0]}/replay")
    assert (refused.status_code, refused.json()["code"]) == (409, "letter_unreadable")
    assert operator.delete(f"/api/dead-letters/{ids[0]}").status_code == 204
    assert operator.get(f"/api/dead-letters/{ids[0]}").status_code == 404


def test_what_cannot_be_undone_has_to_be_confirmed(operator: httpx.Client, house: House) -> None:
    """R125."""
    house.store.quarantine("jobs", "m", b"x", "old")
    assert maintain(operator, action="cleanup").json()["code"] == "confirmation_needed"
    told = maintain(operator, action="cleanup", dry_run="true").json()["swept"]
    assert (told["dry_run"], told["records"]["dead letters"]) == (True, 1)
    done = maintain(operator, action="cleanup", confirm="yes").json()["swept"]
    assert (done["dry_run"], done["records"]["dead letters"]) == (False, 1)
    assert operator.get("/api/dbadmin/maintenance?action=cleanup").status_code == 405


def test_a_rebuild_is_for_development_alone(operator: httpx.Client, house: House) -> None:
    """R52."""
    job_id = house.finish(Choosy(count=1))
    refused = maintain(operator, action="rebuild", confirm="yes")
    assert (refused.status_code, refused.json()["code"]) == (409, "only_in_development")
    assert operator.get(f"/api/jobs/{job_id}").status_code == 200


@pytest.mark.parametrize("operator", [True], indirect=True)
def test_in_development_a_confirmed_rebuild_drops_every_job(
    operator: httpx.Client, house: House
) -> None:
    """R52."""
    job_id = house.finish(Choosy(count=1))
    assert maintain(operator, action="rebuild").json()["code"] == "confirmation_needed"
    assert maintain(operator, action="rebuild", confirm="yes").status_code == 200
    assert operator.get(f"/api/jobs/{job_id}").status_code == 404
    house.finish(Choosy(count=1))
