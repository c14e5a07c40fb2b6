"""More requests than a process can take: some are at work, some in line, the others are told when to come back."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from core.insights.views import QueueView
from tests.http.house import House, serving
from tests.http.sample_jobs import Squares
from tests.support.waiting import eventually
from triggers.http.door.crowd import CrowdLimits


class Slow:
    """A reader whose look at the queues lasts until a test lets it end."""

    def __init__(self, reader: Any) -> None:
        self.reader = reader
        self.free = threading.Event()
        self.inside = threading.Semaphore(0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.reader, name)

    def queues(self) -> list[QueueView]:
        self.inside.release()
        assert self.free.wait(120)
        return self.reader.queues()


@contextmanager
def crowded(house: House, limits: CrowdLimits) -> Iterator[tuple[httpx.Client, Slow]]:
    slow = Slow(house.reader)
    house.insights.reader = slow
    app = house.app(crowd=limits)
    with serving(app) as url, httpx.Client(base_url=url, timeout=120) as client:
        try:
            yield client, slow
        finally:
            slow.free.set()


def test_beyond_the_line_a_request_is_told_when_to_come_back(house: House) -> None:
    """R59, R165."""
    limits = CrowdLimits(working=2, in_line=1, patience=30)
    with crowded(house, limits) as (client, slow), ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(client.get, "/api/status/deep") for _ in range(2)]
        slow.inside.acquire(timeout=120)
        slow.inside.acquire(timeout=120)
        more = [pool.submit(client.get, "/api/jobs") for _ in range(2)]
        eventually(lambda: sum(each.done() for each in more) == 1)
        waiting, refused = sorted(more, key=lambda each: each.done())
        answer = refused.result()
        assert answer.status_code == 429
        assert answer.json()["code"] == "too_busy"
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-correlation-id"]
        assert client.get("/api/livez").status_code == 200
        assert client.get("/api/readyz").status_code == 200
        slow.free.set()
        assert [each.result(60).status_code for each in [*asked, waiting]] == [200] * 3
    assert client.is_closed


def test_nobody_waits_in_line_for_ever(house: House) -> None:
    with (
        crowded(house, CrowdLimits(working=1, in_line=5, patience=0.2)) as (client, slow),
        ThreadPoolExecutor(1) as pool,
    ):
        asked = pool.submit(client.get, "/api/status/deep")
        slow.inside.acquire(timeout=120)
        answer = client.get("/api/jobs")
        assert (answer.status_code, answer.json()["code"]) == (429, "too_busy")
        slow.free.set()
        assert asked.result(60).status_code == 200
        eventually(lambda: client.get("/api/jobs").status_code == 200)


def test_event_streams_have_a_limit_of_their_own(house: House) -> None:
    job = house.submit(Squares(n=1))
    stream = f"/api/jobs/{job}/events/stream"
    with crowded(house, CrowdLimits(working=1, in_line=0, streams=2)) as (client, _):
        with client.stream("GET", stream) as one, client.stream("GET", stream) as two:
            assert (one.status_code, two.status_code) == (200, 200)
            assert client.get(stream).status_code == 429
            assert client.get("/api/jobs").status_code == 200
        eventually(lambda: _opens(client, stream))


def _opens(client: httpx.Client, stream: str) -> bool:
    with client.stream("GET", stream) as answer:
        return answer.status_code == 200


@pytest.mark.parametrize("path", ["/api/storage/uploads/abc", "/api/storage/upload"])
def test_uploads_are_counted_elsewhere(house: House, path: str) -> None:
    with (
        crowded(house, CrowdLimits(working=1, in_line=0)) as (client, slow),
        ThreadPoolExecutor(1) as pool,
    ):
        asked = pool.submit(client.get, "/api/status/deep")
        slow.inside.acquire(timeout=120)
        assert client.get(path).status_code != 429
        slow.free.set()
        asked.result(120)
