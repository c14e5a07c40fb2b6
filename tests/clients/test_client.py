"""The Python client against the running system."""

from itertools import islice
from uuid import uuid4

import pytest
from pydantic import BaseModel

from coremachine_client import (
    AmbiguousId,
    BadRequest,
    Client,
    Conflict,
    Event,
    Job,
    JobFailed,
    NotFound,
    Progress,
    WaitedTooLong,
)
from tests.http.house import House, serving
from tests.http.sample_jobs import Failing, Relay, Squares
from tests.support.waiting import eventually


def fresh() -> str:
    """A name that makes a job nobody has submitted."""
    return uuid4().hex


def test_a_job_is_submitted_waited_for_and_gives_its_result(client: Client) -> None:
    submitted = client.submit("hello_world", {"names": ["Ada", "Grace", fresh()]})
    seen: list[Job] = []
    job = client.wait(submitted, timeout=120, progress=seen.append)
    assert (job.status, job.result, job.succeeded) == ("completed", 3, True)
    assert [stage.name for stage in job.stages] == ["greet", "count"]
    assert seen[-1] == job
    assert client.result(job) == 3


def test_equal_submissions_are_one_job(client: Client) -> None:
    names = [fresh()]
    first = client.submit("hello_world", {"names": names})
    client.wait(first, timeout=120)
    again = client.submit("hello_world", {"names": names})
    assert (again.job_id, again.is_new) == (first.job_id, False)
    assert client.submit("hello_world", {"names": names}, force=True).run == 2


def test_parameters_may_be_a_model(client: Client) -> None:
    class Greeting(BaseModel):
        names: list[str]

    assert client.run("hello_world", Greeting(names=[fresh()]), timeout=120) == 1


def test_a_preview_begins_nothing(client: Client) -> None:
    preview = client.preview("hello_world", {"names": [fresh()]})
    assert (preview.exists, preview.status) == (False, None)
    assert [stage.name for stage in preview.plan] == ["greet", "count"]
    with pytest.raises(NotFound):
        client.status(preview.job_id)


def test_a_job_that_fails_is_told_with_its_reason(client: Client) -> None:
    with pytest.raises(JobFailed, match="failed") as caught:
        client.run("hello_world", {"names": [fresh()], "failure_rate": 1.0}, timeout=120)
    assert caught.value.job.error is not None
    assert caught.value.job.error.stage == "greet"
    with pytest.raises(Conflict) as refused:
        client.result(caught.value.job)
    assert refused.value.code == "no_result"


def test_a_refusal_names_the_parameters_its_code_and_the_request(client: Client) -> None:
    with pytest.raises(BadRequest) as caught:
        client.submit("hello_world", {"name": "Ada"})
    assert caught.value.code == "invalid_parameters"
    assert [error["parameter"] for error in caught.value.errors] == ["name"]
    assert len(caught.value.correlation_id) == 32
    with pytest.raises(NotFound, match="Did you mean 'hello_world'"):
        client.submit("hello_worl")


def test_the_stream_tells_every_event_and_how_far_the_job_is(client: Client) -> None:
    submitted = client.submit("hello_world", {"names": [fresh(), fresh()]})
    told = list(client.stream(submitted))
    numbers = [each.number for each in told if isinstance(each, Event)]
    assert numbers == list(range(1, len(numbers) + 1))
    last = [each for each in told if isinstance(each, Progress)][-1]
    assert (last.status, last.progress, last.ended) == ("completed", 1.0, True)
    assert next(iter(client.stream_events(submitted, after=numbers[-2]))).number == numbers[-1]
    assert [event.number for event in client.events(submitted)] == numbers


def test_tasks_are_listed_and_looked_at(client: Client) -> None:
    job = client.wait(client.submit("hello_world", {"names": [fresh(), "Ada"]}), timeout=120)
    tasks = list(client.tasks(job, stage="greet", status="completed", page_size=1))
    assert [task.index for task in tasks] == [None, 0, 1]  # the first plans the stage
    assert client.task(job, tasks[2].task_id).arguments == "Ada"


def test_job_types_tell_their_parameters(client: Client) -> None:
    assert "process_raster" in {each.job_type for each in client.job_types()}
    assert "names" in client.job_type("hello_world").parameters["properties"]


def test_the_installation_is_well(client: Client) -> None:
    eventually(lambda: client.health().components["database"].status == "healthy")
    assert client.deep_status().queue["workers_online"] == 1


# over a system that stands still


def test_pages_are_fetched_as_they_are_needed(house: House) -> None:
    for n in range(5):
        house.submit(Squares(n=n))
    with serving(house.app()) as server, Client(server) as client:
        lines = client.jobs(page_size=2)
        newest = next(lines)
        house.submit(Squares(n=99))  # what arrives meanwhile moves nothing
        rest = [line.parameters["n"] for line in lines]
        assert [newest.parameters["n"], *rest] == [4, 3, 2, 1, 0]
        assert len(list(islice(client.jobs(page_size=1), 2))) == 2
        assert [line.job_type for line in client.jobs(job_type="relay")] == []


def test_a_job_is_found_by_the_beginning_of_its_id(house: House) -> None:
    ids = [house.submit(Squares(n=n)) for n in range(40)]
    shared = next(a[:1] for a in ids if any(b != a and b[0] == a[0] for b in ids))
    with serving(house.app()) as server, Client(server) as client:
        assert client.find(ids[0][:12]) == ids[0]
        with pytest.raises(AmbiguousId, match="More than one job begins with"):
            client.find(shared)
        with pytest.raises(NotFound):
            client.find("hello")


def test_waiting_ends_when_the_time_is_over_and_the_job_goes_on(house: House) -> None:
    job_id = house.submit(Squares(n=3))
    with serving(house.app()) as server, Client(server) as client:
        with pytest.raises(WaitedTooLong, match="still queued") as caught:
            client.wait(job_id, timeout=0.1)
        assert isinstance(caught.value, TimeoutError)
        house.work()
        assert client.wait(job_id, timeout=120).status == "completed"


def test_a_job_that_ended_with_errors_succeeded(house: House) -> None:
    job_id = house.finish(Relay(n=3, bad=1))
    with serving(house.app()) as server, Client(server) as client:
        job = client.wait(job_id)
        assert (job.status, job.succeeded) == ("completed_with_errors", True)
        assert [task.error.message for task in client.tasks(job, status="failed") if task.error]


def test_a_failure_has_its_traceback_on_demand(house: House) -> None:
    job_id = house.finish(Failing())
    with serving(house.app()) as server, Client(server) as client:
        task = next(client.tasks(job_id, status="failed"))
        assert client.task(job_id, task.task_id).trace is None
        assert "ValueError" in (client.task(job_id, task.task_id, verbose=True).trace or "")
