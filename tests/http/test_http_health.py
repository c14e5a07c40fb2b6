"""How the installation is doing, as load balancers, dashboards and people ask it."""

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import httpx
import psycopg
import pytest

from core.registry import discover
from tests.http.house import House, house_of, serving
from tests.http.sample_jobs import Choosy, Failing, Squares
from triggers.http.operate.health import Degraded, scratch_disk

JOB = """
from core import Context, JobBase, single

class Fine(JobBase):
    '''Works.'''

    @single
    def go(self, ctx: Context) -> str:
        return "done"
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A package of jobs of which one cannot be imported."""
    folder = tmp_path / "some_jobs"
    folder.mkdir()
    (folder / "fine.py").write_text(JOB)
    (folder / "torn.py").write_text("import a_module_nobody_has\n")
    monkeypatch.syspath_prepend(tmp_path)
    package = ModuleType("some_jobs")
    package.__path__ = [str(folder)]
    sys.modules["some_jobs"] = package
    yield package
    for name in [name for name in sys.modules if name.startswith("some_jobs")]:
        del sys.modules[name]


def test_a_broken_job_module_is_named_and_the_others_serve(
    database: str, package: ModuleType
) -> None:
    """R45."""
    with house_of(database, discover(package)) as house, serving(house.app()) as url:
        alive = httpx.get(f"{url}/api/livez", timeout=60)
        assert alive.status_code == 200
        assert "a_module_nobody_has" in alive.json()["broken_job_modules"]["some_jobs.torn"]
        assert httpx.post(f"{url}/api/jobs/submit/fine", timeout=60).status_code == 202
        alerts = httpx.get(f"{url}/api/status/deep", timeout=60).json()["alerts"]
        assert "broken_job_module" in {alert["code"] for alert in alerts}


def test_everything_well_is_healthy(client: httpx.Client, house: House) -> None:
    house.store.begin_session(house.worker)
    answer = client.get("/api/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "healthy")
    components = answer.json()["components"]
    assert set(components) == {"database", "blobs", "queue", "workers"}
    assert all(component["ms"] >= 0 for component in components.values())


def test_no_worker_is_degraded_but_not_down(client: httpx.Client) -> None:
    answer = client.get("/api/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["components"]["workers"]["status"] == "degraded"


def test_components_are_asked_at_once_and_a_hanging_one_is_not_waited_for(house: House) -> None:
    """R128."""
    release = threading.Event()
    asked: list[str] = []

    def hang() -> str:
        asked.append("hanging")
        release.wait(300)
        return "at last"

    def broken() -> str:
        raise KeyError("postgres://secret@host")

    app = house.app(checks={"a": hang, "b": hang, "broken": broken}, health_deadline=10.0)
    with serving(app) as url:
        began = time.monotonic()
        answer = httpx.get(f"{url}/api/health", timeout=200)
        httpx.get(f"{url}/api/health", timeout=200)
        assert time.monotonic() - began < 100
        release.set()
    assert answer.json()["status"] == "degraded"
    assert "no answer" in answer.json()["components"]["a"]["detail"]
    assert answer.json()["components"]["database"]["status"] == "healthy"
    assert "secret" not in answer.text
    assert len(asked) == 2, "a probe that hangs is not started again"


def test_without_its_database_it_is_alive_but_neither_ready_nor_healthy(house: House) -> None:
    """R45: livez asks nobody."""
    with (
        serving(house.app(health_deadline=30)) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        assert client.get("/api/readyz").json() == {"status": "ready"}
        house.database.pool.close()
        assert client.get("/api/livez").status_code == 200
        ready = client.get("/api/readyz")
        assert (ready.status_code, ready.json()["code"]) == (503, "service_unavailable")
        health = client.get("/api/health")
        assert (health.status_code, health.json()["status"]) == (503, "unhealthy")


def test_a_database_without_every_migration_is_not_ready(
    client: httpx.Client, house: House
) -> None:
    with psycopg.connect(house.database.dsn) as conn:
        conn.execute("delete from app.migrations where number = 2")
    assert client.get("/api/readyz").status_code == 503
    assert (
        "0002_insights.sql" in client.get("/api/health").json()["components"]["database"]["detail"]
    )
    with psycopg.connect(house.database.dsn) as conn:
        conn.execute("drop table app.migrations")
    assert client.get("/api/readyz").status_code == 503


def test_deep_status_has_the_agreed_shape(client: httpx.Client, house: House) -> None:
    house.store.begin_session(house.worker)
    house.finish(Failing())
    house.submit(Squares(n=3))
    house.submit(Choosy(count=1))
    house.store.claim_due("tasks-light", house.worker.session, 1)
    deep = client.get("/api/status/deep").json()
    assert set(deep) == {"queue", "load", "inventory", "alerts"}
    assert deep["queue"] == {"pending": 1, "active": 1, "failed_1h": 1, "workers_online": 1}
    assert (deep["inventory"], deep["alerts"]) == ([], [])
    states = {(task["state"], task["job_type"]): task["tasks"] for task in deep["load"]["tasks"]}
    assert sum(states.values()) == 2
    assert deep["load"]["workers"] == [{"role": "test", "online": 1, "silent": 0}]
    assert deep["load"]["jobs"] == {"queued": 1, "processing": 1, "paused": 0}


def test_work_without_workers_and_messages_set_aside_are_alerts(
    client: httpx.Client, house: House
) -> None:
    house.submit(Squares(n=3))
    house.store.quarantine("jobs", "m1", b"??", "not a task message")
    with psycopg.connect(house.database.dsn) as conn:
        conn.execute("update app.stages set opened_at = now() - interval '10 minutes'")
    alerts = {a["code"]: a["message"] for a in client.get("/api/status/deep").json()["alerts"]}
    assert set(alerts) == {"no_workers", "queue_stuck", "quarantine"}
    assert alerts["queue_stuck"].startswith("jobs: due for 10 minutes")


def test_a_worker_that_was_not_heard_of_for_long_is_not_online(house: House) -> None:
    house.store.begin_session(house.worker)
    (worker,) = house.insights.workers()
    assert (worker.host, worker.role, worker.holds) == ("test", "test", 0)
    with psycopg.connect(house.database.dsn) as conn:
        conn.execute("update app.sessions set seen = now() - interval '1 minute'")
    assert house.insights.workers() == []


def test_a_scratch_disk_that_is_gone_or_full_degrades(tmp_path: Path) -> None:
    """R80."""
    assert "GiB free" in scratch_disk(tmp_path)()
    with pytest.raises(Degraded, match="cannot be reached"):
        scratch_disk(tmp_path / "gone")()


def test_a_scratch_disk_with_little_room_degrades(monkeypatch: pytest.MonkeyPatch) -> None:
    """R80."""
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=500_000_000))
    with pytest.raises(Degraded, match=r"0\.5 GiB"):
        scratch_disk(None)()


def test_a_process_whose_scratch_disk_is_full_is_alive_but_not_ready(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 34: no more work is sent here until there is room again."""
    free = [1_000_000]
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free[0]))
    with (
        serving(house.app(checks={"scratch": scratch_disk(None)})) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        ready = client.get("/api/readyz")
        assert (ready.status_code, ready.json()["code"]) == (503, "service_unavailable")
        assert client.get("/api/livez").status_code == 200
        free[0] = 500_000_000
        assert client.get("/api/readyz").status_code == 200, "little room is no reason to stay away"
