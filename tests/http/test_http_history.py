"""How it went over hours, days and weeks, over HTTP."""

from datetime import UTC, datetime, timedelta

import httpx

from core.blobs import BlobRef
from tests.http.house import House
from tests.http.sample_jobs import Copying, Failing, Relay, Squares


def aged(house: House, job_id: str, hours: float) -> None:
    """As if it had run so long ago."""
    with house.database.transaction() as conn:
        for moments, table in (
            ("started_at", "runs"),
            ("finished_at", "runs"),
            ("finished_at", "tasks"),
        ):
            conn.execute(
                f"update app.{table} set {moments} = {moments} - %s where run_id ="
                " (select run_id from app.jobs where job_id = %s)",
                [timedelta(hours=hours), job_id],
            )


def test_history_tells_jobs_tasks_durations_and_reasons(house: House, client: httpx.Client) -> None:
    house.finish(Squares(n=4))
    house.finish(Squares(n=6))
    failed = house.finish(Failing())
    told = client.get("/api/history").json()
    by_type = {each["job_type"]: each for each in told["types"]}
    assert (by_type["squares"]["jobs"], by_type["squares"]["tasks"]) == (2, 10)
    assert 0 < by_type["squares"]["p50"] <= by_type["squares"]["p90"] <= by_type["squares"]["p99"]
    assert (by_type["failing"]["jobs"], by_type["failing"]["failed"]) == (1, 1)
    (reason,) = told["reasons"]
    assert (reason["job_type"], reason["tasks"], reason["job_id"]) == ("failing", 1, failed)
    assert told["types"][0]["job_type"] == "squares"
    assert told["whole"]


def test_slices_begin_at_whole_hours_and_their_sum_is_what_ended(
    house: House, client: httpx.Client
) -> None:
    for n in range(5):
        aged(house, house.finish(Squares(n=n + 1)), hours=n * 2)
    told = client.get("/api/history").json()
    begins = [datetime.fromisoformat(each["begin"]) for each in told["slices"]]
    assert len(begins) == 5
    assert begins == sorted(begins)
    assert {(each.minute, each.second) for each in begins} == {(0, 0)}
    assert sum(each["completed"] for each in told["slices"]) == 5
    assert sum(each["tasks"] for each in told["slices"]) == 15


def test_each_span_shows_what_ended_within_it(house: House, client: httpx.Client) -> None:
    for n, hours in enumerate((1, 30, 24 * 10, 24 * 40)):
        aged(house, house.finish(Squares(n=n + 1)), hours)
    for span, jobs in (("24h", 1), ("7d", 2), ("30d", 3)):
        told = client.get("/api/history", params={"span": span}).json()
        assert sum(each["jobs"] for each in told["types"]) == jobs
        length = datetime.fromisoformat(told["end"]) - datetime.fromisoformat(told["begin"])
        assert length.days == int({"24h": "1"}.get(span, span.rstrip("d")))
    assert client.get("/api/history", params={"span": "1y"}).status_code == 422


def test_bytes_count_in_the_hour_in_which_they_moved(house: House, client: httpx.Client) -> None:
    """Also those of a task that fails: they have moved."""
    traffic = house.observability.watch.traffic
    assert traffic is not None
    source = BlobRef("bronze/rivers/nile.bin")
    house.blobs.write(source, b"x" * 1_000)
    house.finish(Copying(source=source))
    house.finish(Copying(source=source, fails=True))
    traffic.flush()
    with house.database.transaction() as conn:
        conn.execute("update app.traffic set hour = hour - interval '3 h'")
    other = house.blobs.write(BlobRef("bronze/rivers/po.bin"), b"y" * 500).ref
    house.finish(Copying(source=other))
    traffic.flush()
    told = client.get("/api/history").json()
    moved = [(each["bytes_in"], each["bytes_out"]) for each in told["slices"] if each["bytes_in"]]
    assert moved == [(2_000, 2_000), (500, 500)]
    (by_type,) = told["types"]
    assert (by_type["jobs"], by_type["bytes_in"], by_type["bytes_out"]) == (3, 2_500, 2_500)


def test_reasons_that_differ_in_numbers_are_one_and_the_most_frequent_comes_first(
    house: House, client: httpx.Client
) -> None:
    for n in range(3):
        house.finish(Relay(n=4 + n, bad=n))
    house.finish(Failing())
    first, second = client.get("/api/history").json()["reasons"]
    assert (first["job_type"], first["stage"], first["tasks"], first["jobs"]) == (
        "relay",
        "double",
        3,
        3,
    )
    assert second["job_type"] == "failing"


def test_an_installation_without_a_past_has_an_empty_history(client: httpx.Client) -> None:
    told = client.get("/api/history").json()
    assert (told["slices"], told["types"], told["reasons"]) == ([], [], [])
    assert datetime.fromisoformat(told["end"]) <= datetime.now(UTC)
