"""Five hundred jobs at once, and clients that poll every one of them: the machine goes on, and says no in time."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from heapq import nlargest
from http import HTTPStatus

import httpx
import pytest

from tests.faults.conftest import Harbour
from tests.support.fleet import Fleet
from tests.support.waiting import eventually
from triggers.local import ports

JOBS = 500
CLIENTS = 50
WORKING, IN_LINE = 8, 16
"""Fewer than there are clients, so that some are told to come back."""
POOL = 6
SPARE = 2
"""Connections of a process beside its pool: the one that listens, and one that is being replaced."""


@dataclass
class Crowd:
    """What the clients have met."""

    url: str
    answers: Counter[int] = field(default_factory=Counter)
    health: list[float] = field(default_factory=list)
    """Seconds that each question for health took."""
    connections: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, client: httpx.Client, method: str, path: str, **more: object) -> httpx.Response:
        """Come back when told to, as a good client does, only sooner."""
        while True:
            answer = client.request(method, path, **more)  # type: ignore[arg-type]
            with self._lock:
                self.answers[answer.status_code] += 1
            if answer.status_code != HTTPStatus.TOO_MANY_REQUESTS:
                assert answer.is_success, answer.text
                return answer
            assert answer.json()["code"] == "too_busy"
            assert int(answer.headers["retry-after"]) > 0
            time.sleep(0.1)

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=120, verify=False)  # noqa: S501 - plain HTTP

    @property
    def slow(self) -> float:
        """Its third slowest answer about health: the machine may hold its breath twice."""
        return min(nlargest(3, self.health))

    @contextmanager
    def watched(self, fleet: Fleet) -> Iterator[None]:
        """Ask for health all the while, and count connections."""
        stop = threading.Event()

        def watch() -> None:
            with self.client() as client:
                while not stop.wait(0.1):
                    for path in ("/api/livez", "/api/readyz"):
                        began = time.monotonic()
                        assert client.get(path).status_code == HTTPStatus.OK
                        self.health.append(time.monotonic() - began)
                    self.connections = max(self.connections, connections(fleet))

        with ThreadPoolExecutor(1) as pool:
            watching = pool.submit(watch)
            try:
                yield
            finally:
                stop.set()
                watching.result(30)


def connections(fleet: Fleet) -> int:
    asked = (
        "select count(*) from pg_stat_activity where datname = current_database()"
        " and application_name like 'coremachine%%' and %s"
    )
    return fleet.ask(asked, True)[0][0]


def numbers(client: int) -> range:
    return range(client, JOBS, CLIENTS)


def submit(crowd: Crowd, round: int, client: httpx.Client, number: int) -> str:
    job = {"seconds": (round * JOBS + number) * 1e-6}
    return crowd.ask(client, "POST", "/api/jobs/submit/snail", json=job).json()["job_id"]


def submits(crowd: Crowd, round: int) -> Callable[[int], None]:
    def act(number: int) -> None:
        with crowd.client() as client:
            for each in numbers(number):
                submit(crowd, round, client, each)

    return act


def submits_and_polls(crowd: Crowd, round: int) -> Callable[[int], None]:
    """Each client has ten jobs, and asks for all of them, again and again, until they have ended."""

    def act(number: int) -> None:
        with crowd.client() as client:
            open_jobs = [submit(crowd, round, client, each) for each in numbers(number)]
            while open_jobs:
                told = {
                    job: crowd.ask(client, "GET", f"/api/jobs/status/{job}") for job in open_jobs
                }
                open_jobs = [
                    job for job, one in told.items() if one.json()["status"] != "completed"
                ]

    return act


def rate(fleet: Fleet, act: Callable[[int], None], jobs: int) -> float:
    """Jobs a second, from the first submission to the last end, by the database's clock."""
    (known,) = fleet.ask("select coalesce(max(run_id), 0) from app.runs")[0]
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(act, range(CLIENTS)))
    ended = "select count(*) from app.runs where run_id > %s and status = 'completed'"
    eventually(lambda: fleet.ask(ended, known) == [(jobs,)], 60)
    took = "select extract(epoch from max(finished_at) - min(created_at))::float8 from app.runs where run_id > %s"
    return jobs / fleet.ask(took, known)[0][0]


@pytest.mark.alone
@pytest.mark.slow
def test_five_hundred_jobs_and_a_crowd_that_polls_do_not_starve_the_machine(
    harbour: Harbour,
) -> None:
    """R59, R165."""
    port = ports.free()
    crowd = Crowd(f"http://127.0.0.1:{port}")
    limits = {"CM_MAX_REQUESTS": WORKING, "CM_MAX_WAITING_REQUESTS": IN_LINE}
    with harbour(CM_POOL_SIZE=POOL, CM_TILES=False, CM_LOG_LEVEL="WARNING", **limits) as fleet:
        fleet.start(queues="", options=["--port", str(port)])
        fleet.start(CM_LIGHT_SLOTS=1)
        eventually(lambda: up(crowd), 60)
        alone = rate(fleet, submits(crowd, 1), JOBS)
        quiet = crowd.answers.copy()
        with crowd.watched(fleet):
            polled = rate(fleet, submits_and_polls(crowd, 2), JOBS)
        print(
            f"{alone:.0f} jobs a second alone, {polled:.0f} polled, {crowd.answers - quiet},"
            f" health {crowd.slow:.3f} s, {crowd.connections} connections"
        )
        assert crowd.slow < 1.0
        assert polled > 0.4 * alone
        assert crowd.answers[HTTPStatus.TOO_MANY_REQUESTS] > 0
        assert set(crowd.answers) <= {200, 202, 429}
        assert crowd.connections <= 2 * (POOL + SPARE)


def up(crowd: Crowd) -> bool:
    try:
        return httpx.get(f"{crowd.url}/api/readyz", timeout=120).is_success
    except httpx.TransportError:
        return False
