"""A job's events over HTTP: pages, and the live stream."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.http.house import House, house_of, serving
from tests.http.sample_jobs import Failing, Relay, Squares
from tests.support.waiting import eventually


@dataclass
class Message:
    """One message of an event stream."""

    event: str
    id: int | None
    data: Any


def messages(answer: httpx.Response) -> Iterator[Message]:
    """The messages of a stream as a browser would see them; comments are skipped."""
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if line and name:
            fields[name] = value
        elif not line:
            if "data" in fields:
                number = int(fields["id"]) if "id" in fields else None
                yield Message(fields.get("event", "message"), number, json.loads(fields["data"]))
            fields = {}


def listen(
    client: httpx.Client, job_id: str, heard: list[Message] | None = None, **headers: str
) -> list[Message]:
    """Everything until the stream ends by itself; `heard` grows meanwhile."""
    heard = [] if heard is None else heard
    with client.stream("GET", f"/api/jobs/{job_id}/events/stream", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        heard.extend(messages(answer))
        return heard


def numbers(found: list[Message]) -> list[int]:
    return [message.id for message in found if message.id is not None]


def test_events_are_numbered_without_gaps_and_come_in_pages(
    client: httpx.Client, house: House
) -> None:
    job_id = house.finish(Relay(n=3, bad=1))
    link, events = f"/api/jobs/{job_id}/events?limit=3", []
    while link:
        page = client.get(link).json()
        events += page["events"]
        link = page["links"]["next"]
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    assert (events[0]["what"], events[-1]["what"]) == ("job_submitted", "job_completed_with_errors")
    (failed,) = [event for event in events if event["what"] == "task_failed"]
    assert failed["stage"] == "double"
    assert client.get(f"/api/jobs/{job_id}/tasks/{failed['task_id']}").status_code == 200


def test_the_stream_of_an_ended_job_tells_everything_and_ends(
    client: httpx.Client, house: House
) -> None:
    job_id = house.finish(Squares(n=2))
    found = listen(client, job_id)
    told = [message.data["what"] for message in found if message.event == "message"]
    assert told == [e["what"] for e in client.get(f"/api/jobs/{job_id}/events").json()["events"]]
    assert [message.event for message in found[-2:]] == ["progress", "end"]
    assert found[-1].data == {"job_id": job_id, "status": "completed"}


def test_a_listener_hears_a_job_from_its_submission_to_its_end(
    client: httpx.Client, house: House
) -> None:
    job_id = house.submit(Relay(n=40))
    heard: list[Message] = []
    listener = threading.Thread(target=listen, args=(client, job_id, heard))
    listener.start()
    while claims := house.claim(limit=5):
        known = len(heard)
        house.runner.run(claims)
        eventually(lambda known=known: len(heard) > known)
    listener.join(120)
    assert not listener.is_alive()
    assert numbers(heard) == list(range(1, max(numbers(heard)) + 1))
    progress = [m.data["progress"] for m in heard if m.event == "progress"]
    assert progress == sorted(progress)
    assert (len(progress) > 2, progress[-1], heard[-1].event) == (True, 1.0, "end")


@pytest.mark.parametrize("known", [0, 1, 3])
def test_a_listener_that_comes_back_gets_exactly_what_it_missed(
    client: httpx.Client, house: House, known: int
) -> None:
    job_id = house.finish(Failing())
    every = numbers(listen(client, job_id))
    assert numbers(listen(client, job_id, **{"Last-Event-ID": str(known)})) == every[known:]
    with client.stream("GET", f"/api/jobs/{job_id}/events/stream?after={known}") as answer:
        assert numbers(list(messages(answer))) == every[known:]


def test_no_event_is_missed_over_a_restart_of_the_server(house: House) -> None:
    """Fault 54: the client reconnects with Last-Event-ID, to a server that never saw it before."""
    job_id = house.submit(Relay(n=3))
    heard: list[Message] = []
    with serving(house.app()) as url, httpx.Client(base_url=url, timeout=120) as client:
        house.work(turns=1)
        with client.stream("GET", f"/api/jobs/{job_id}/events/stream") as answer:
            for message in messages(answer):
                heard.append(message)
                if message.id == 3:
                    break
    house.work()
    with serving(house.app()) as url, httpx.Client(base_url=url, timeout=120) as client:
        heard += listen(client, job_id, **{"Last-Event-ID": str(numbers(heard)[-1])})
    last = house.insights.job(job_id).last_event
    assert numbers(heard) == list(range(1, last + 1))
    assert heard[-1].event == "end"


def test_a_listener_survives_a_database_that_is_away_for_a_moment(
    house: House, database: str
) -> None:
    """Fault 54: connections die under the stream; it goes on without a gap."""
    job_id = house.submit(Relay(n=3))
    heard: list[Message] = []
    with (
        house_of(database) as web,
        serving(web.app()) as url,
        httpx.Client(base_url=url, timeout=120) as client,
    ):
        web.database.tries = 1  # whatever fails is seen by the stream
        listener = threading.Thread(target=listen, args=(client, job_id, heard))
        listener.start()
        eventually(lambda: heard)
        for _ in range(3):
            cut_connections(house)
            house.work(turns=1)
        house.work()
        listener.join(120)
    assert not listener.is_alive()
    assert numbers(heard) == list(range(1, house.insights.job(job_id).last_event + 1))


def cut_connections(house: House) -> None:
    """What a restart of the database does to everyone connected."""
    with house.database.pool.connection() as conn:
        conn.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )


def test_an_idle_listener_holds_neither_a_connection_nor_a_thread(
    client: httpx.Client, house: House
) -> None:
    """More listeners than the web app has threads or connections, and it still answers."""
    job_id = house.submit(Squares(n=1))
    limits = httpx.Limits(max_connections=100)
    with httpx.Client(base_url=client.base_url, timeout=120, limits=limits) as many:
        streams = [many.stream("GET", f"/api/jobs/{job_id}/events/stream") for _ in range(60)]
        answers = [stream.__enter__() for stream in streams]
        assert {answer.status_code for answer in answers} == {200}
        assert client.get(f"/api/jobs/{job_id}").status_code == 200
        house.work()
        for answer in answers:
            assert list(messages(answer))[-1].event == "end"
        for stream in streams:
            stream.__exit__(None, None, None)


def test_a_stream_of_a_job_that_is_not_there_is_a_plain_error(client: httpx.Client) -> None:
    answer = client.get(f"/api/jobs/{'0' * 64}/events/stream")
    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")
