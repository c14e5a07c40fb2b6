"""Processes bring the schedules of their job classes, and the timer of a Functions host submits what is due."""

from collections.abc import Iterator

import psycopg
import pytest

from infrastructure.settings import Settings
from triggers import wiring


@pytest.fixture
def services(
    database: str, azurite: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[wiring.Services]:
    """What a process builds when it is first asked for something."""
    given = Settings(
        database_url=database, storage=azurite, service_bus=None, jobs="tests.support.clocked_jobs"
    )
    monkeypatch.setattr(wiring, "settings", lambda: given)
    monkeypatch.setattr(wiring, "_shared", [])
    services = wiring.shared()
    yield services
    services.close()


def test_the_timer_submits_what_a_class_says(services: wiring.Services, database: str) -> None:
    assert services.schedules.get("clocked").owner == "class"
    with psycopg.connect(database, autocommit=True) as conn:
        back = "interval '1 minute'"
        conn.execute(f"update app.schedules set decided = decided - {back}, look_at = decided")
    wiring.tick()
    (tick, *_) = services.schedules.history("clocked").ticks
    assert (tick.outcome, tick.run) == ("submitted", 1)
