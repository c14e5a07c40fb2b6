"""The client when things go wrong: lost answers, busy servers, broken streams, strangers on the line."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coremachine_client import (
    Client,
    Event,
    Forbidden,
    Refused,
    ServerError,
    TooManyRequests,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from tests.clients.lines import Line, says, unsent
from tests.http.house import House, serving
from tests.http.sample_jobs import Failing, Squares
from tests.support.waiting import eventually
from triggers.local import ports

ROOT = Path(__file__).parents[2]


@contextmanager
def client_over(line: Line, server: str, **more: object) -> Iterator[Client]:
    with Client(server, backoff=0.001, through=line, **more) as client:  # type: ignore[arg-type]
        yield client


@pytest.fixture
def server(house: House) -> Iterator[str]:
    with serving(house.app()) as server:
        yield server


def test_a_submission_whose_answer_is_lost_is_sent_again_and_is_one_job(
    house: House, server: str
) -> None:
    line = Line()
    line.troubles.append(line.lose_answer)
    with client_over(line, server) as client:
        again = client.submit("squares", {"n": 3})
        assert (again.is_new, again.run) == (False, 1)
        assert len(line.passed) == 2


def test_a_forced_submission_is_never_sent_twice(house: House, server: str) -> None:
    """It would run the job once more for each."""
    house.finish(Squares(n=3))
    line = Line()
    line.troubles.append(line.lose_answer)
    with client_over(line, server) as client:
        with pytest.raises(Unreachable, match="the line broke"):
            client.submit("squares", {"n": 3}, force=True)
        house.work()
        assert client.status(Squares(n=3).fingerprint).run == 2
    assert line.passed[0].startswith("POST")
    assert sum(what.startswith("POST") for what in line.passed) == 1


def test_what_was_never_sent_is_sent_again_whatever_it_is(house: House, server: str) -> None:
    house.finish(Squares(n=3))
    with client_over(Line(unsent, unsent), server) as client:
        assert client.submit("squares", {"n": 3}, force=True).run == 2


def test_a_busy_server_is_asked_when_it_says(server: str) -> None:
    line = Line(says(429, retry_after="0"), says(503, retry_after="0"), says(502))
    with client_over(line, server) as client:
        assert list(client.jobs()) == []
    names = {headers["x-correlation-id"] for headers in line.headers}
    assert (len(line.headers), len(names)) == (4, 1), "one name for all the tries of one request"


def test_the_pause_is_the_one_that_the_server_asks_for(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("coremachine_client.transport.time.sleep", pauses.append)
    with client_over(Line(says(429, retry_after="7"), says(503)), server) as client:
        list(client.jobs())
    assert pauses[0] == 7
    assert pauses[1] < 0.01


def test_who_is_told_to_come_back_next_week_is_told_so(server: str) -> None:
    with (
        client_over(Line(says(429, retry_after="600000")), server) as client,
        pytest.raises(TooManyRequests) as caught,
    ):
        list(client.jobs())
    assert caught.value.retry_after == 600000


def test_patience_ends(server: str) -> None:
    line = Line(*[says(503, "away", retry_after="0")] * 9)
    with client_over(line, server, retries=2) as client, pytest.raises(Unavailable):
        list(client.jobs())
    assert len(line.headers) == 3


def test_what_may_have_been_done_is_not_done_again(server: str) -> None:
    line = Line(says(503))
    with client_over(line, server) as client, pytest.raises(Unavailable):
        client.batches.create([{"job_type": "squares", "parameters": {"n": 1}}])
    assert len(line.headers) == 1


def test_nobody_there_is_told_with_the_address() -> None:
    address = f"http://127.0.0.1:{ports.free()}"
    with (
        Client(address, retries=1, backoff=0.001) as client,
        pytest.raises(Unreachable, match=address),
    ):
        list(client.jobs())


@pytest.mark.parametrize(
    ("trouble", "kind", "told"),
    [
        (says(200, "<html>hello"), UnexpectedAnswer, "not as CoreMachine does"),
        (says(307, location="https://elsewhere/"), UnexpectedAnswer, "https://elsewhere/"),
        (says(403, "<h1>Forbidden</h1>"), Forbidden, "Forbidden"),
        (says(500, "oh"), ServerError, "oh"),
        (says(418), Refused, "418"),
    ],
)
def test_strangers_on_the_line_are_named(
    server: str, trouble: object, kind: type[Exception], told: str
) -> None:
    with client_over(Line(trouble), server) as client, pytest.raises(kind, match=told):  # type: ignore[arg-type]
        client.job_types()


def test_a_key_and_a_token_are_sent_and_a_token_is_asked_for_each_time(server: str) -> None:
    tokens = iter(["one", "two"])
    line = Line()
    with client_over(line, server, api_key="cm_x", token=lambda: next(tokens)) as client:
        client.transport.send("GET", "/api/livez")
        client.transport.send("GET", "/api/livez")
    assert [h["authorization"] for h in line.headers] == ["Bearer one", "Bearer two"]
    assert {h["x-api-key"] for h in line.headers} == {"cm_x"}


# streams


@pytest.mark.parametrize("size", [1, 200, 700, 900, 1100])
def test_a_stream_that_breaks_goes_on_and_nothing_is_missed_or_told_twice(
    house: House, server: str, size: int
) -> None:
    job_id = house.finish(Squares(n=5))
    line = Line()
    line.troubles += [line.cut_after(size), unsent, says(503), line.cut_after(size)]
    with client_over(line, server) as client:
        numbers = [event.number for event in client.stream_events(job_id)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 5


def test_text_that_python_would_split_stays_one_message(house: House, server: str) -> None:
    """U+2028 ends a line for Python, and not for an event stream."""
    job_id = house.finish(Failing(label="a\u2028b\x85c"))
    with Client(server) as client:
        assert client.status(job_id).parameters["label"] == "a\u2028b\x85c"
        assert [event.what for event in client.stream_events(job_id)][-1] == "job_failed"


def test_a_stream_that_only_breaks_is_given_up(house: House, server: str) -> None:
    job_id = house.submit(Squares(n=5))
    line = Line()
    line.troubles += [line.cut_after(1)] * 99
    with client_over(line, server, retries=2) as client, pytest.raises(Unreachable):
        list(client.stream(job_id))


class Process:
    """The web app in a process that a test may kill, always at the same port."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.port = ports.free()
        self.server = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.http.serve", self.dsn, str(self.port)]
        self.running = subprocess.Popen(command, cwd=ROOT, env=os.environ)
        eventually(lambda: ports.status_of(self.port, "/api/livez") == 200)

    def kill(self) -> None:
        self.running.send_signal(signal.SIGKILL)
        self.running.wait()


@pytest.mark.slow
def test_a_server_that_dies_interrupts_neither_a_stream_nor_who_waits(house: House) -> None:
    process = Process(house.database.dsn)
    process.start()
    job_id = house.submit(Squares(n=5))
    told: list[Event] = []
    ended: list[str] = []
    with Client(process.server, retries=20, backoff=0.2) as client:
        listener = threading.Thread(target=lambda: told.extend(client.stream_events(job_id)))
        waiter = threading.Thread(target=lambda: ended.append(client.wait(job_id).status))
        listener.start()
        waiter.start()
        try:
            eventually(lambda: client.status(job_id).status == "queued")
            process.kill()
            house.work()
            process.start()
            listener.join(240)
            waiter.join(240)
        finally:
            process.kill()
    assert ended == ["completed"]
    numbers = [event.number for event in told]
    assert numbers == list(range(1, len(numbers) + 1))
    assert told[-1].what == "job_completed"
