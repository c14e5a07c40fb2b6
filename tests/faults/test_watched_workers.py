"""What real worker processes tell of themselves: metrics, traces, logs; and what of it survives them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.fault_jobs.poison import StrictPoison
from tests.support.fault_jobs.relay import Relay
from tests.support.fault_jobs.scribbler import SECRET, Chatterbox, HeavyScribbler, Scribbler
from tests.support.fleet import Fleet, Worker
from tests.support.otlp import Receiver, receiver
from tests.support.waiting import eventually
from triggers.local import ports

LINES = "select attempt, number, message from app.task_logs where run_id = %s order by id"


@pytest.fixture
def otlp() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


def begun(fleet: Fleet, run: int, attempt: int) -> bool:
    found = fleet.ask(LINES, run)
    return any(row[0] == attempt and row[2] == "from a thread" for row in found)


@pytest.mark.parametrize("job", [Scribbler, HeavyScribbler])
def test_what_a_killed_worker_has_logged_stays(
    fleet: Fleet, tmp_path: Path, job: type[Scribbler] | type[HeavyScribbler]
) -> None:
    """The lines of a task that runs are written down every few seconds; the next attempt's follow them."""
    run = fleet.submit(job(folder=str(tmp_path)))
    worker = fleet.start()
    eventually(lambda: begun(fleet, run, 1), 60)
    worker.kill()
    (tmp_path / "go-2").touch()
    fleet.start()
    assert fleet.ended(run).result == 2
    told = [(attempt, number, message) for attempt, number, message in fleet.ask(LINES, run)]
    hidden = "attempt {} begins with password=***"
    assert told == [
        (1, 1, hidden.format(1)),
        (1, 2, "from a thread"),
        (2, 1, hidden.format(2)),
        (2, 2, "from a thread"),
        (2, 3, "attempt 2 ends"),
    ]


def test_a_heavy_task_that_talks_without_end_is_stopped_at_its_timeout(fleet: Fleet) -> None:
    """Fault 32: its words are no sign of progress. Their last ones are kept."""
    run = fleet.submit(Chatterbox())
    fleet.start()
    ended = fleet.ended(run)
    assert (ended.status, ended.error and ended.error["code"]) == ("failed", "task_timeout")
    assert fleet.ask("select count(*) > 20 from app.task_logs where run_id = %s", run) == [(True,)]


def test_json_logs_say_which_task_every_line_is_about(fleet: Fleet, tmp_path: Path) -> None:
    """Also a library's line, and one from a thread of the task; and none tells a secret."""
    (tmp_path / "go-1").touch()
    submission = fleet.submission(Scribbler(folder=str(tmp_path)))
    worker = fleet.start(CM_LOG_FORMAT="json")
    fleet.ended(submission.run.run)
    worker.terminate()
    assert worker.died() == 0
    text = worker.log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert SECRET not in text
    expected = {
        "job": submission.run.job_id,
        "job_type": "scribbler",
        "run": 1,
        "stage": "write",
        "task": f"{submission.run.run}-0-0",
        "attempt": 1,
    }
    found = {line["message"]: line for line in lines if line.get("stage") == "write"}
    assert found.keys() >= {"a library\nwarns", "from a thread", "attempt 1 ends"}
    for line in found.values():
        assert expected.items() <= line.items()
    assert "job" not in next(line for line in lines if line["message"] == "stopped")


def test_a_worker_without_a_web_app_tells_its_metrics_at_a_port(fleet: Fleet) -> None:
    port = ports.free()
    fleet.start(options=["--metrics-port", str(port)])
    fleet.ended(fleet.submit(Relay()))
    text = eventually(lambda: scraped(port))
    assert 'coremachine_task_attempts_total{job_type="relay"' in text
    assert 'coremachine_stage_close_latency_seconds_count{job_type="relay"}' in text
    assert 'coremachine_workers{role="worker",state="online"} 1.0' in text
    assert "process_resident_memory_bytes" in text


def scraped(port: int) -> str:
    """The metrics, once they tell of a job that has ended: that is the last thing a worker tells of it."""
    try:
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=120).text
    except httpx.TransportError:
        return ""
    ended = 'coremachine_jobs_ended_total{job_type="relay",status="completed"} 1.0'
    return text if ended in text else ""


def serving(fleet: Fleet, port: int, **settings: object) -> Worker:
    worker = fleet.start(queues="", options=["--port", str(port)], CM_TILES=False, **settings)
    eventually(lambda: ports.status_of(port, "/api/readyz") == 200, 60)
    return worker


def test_spans_of_tasks_are_linked_to_the_request_that_began_them(
    fleet: Fleet, otlp: Receiver, tmp_path: Path
) -> None:
    """One process serves HTTP, another runs tasks; between them go ids alone, and the database knows the trace."""
    caller = {"traceparent": f"00-{'4b' * 16}-{'7f' * 8}-01"}
    traced: dict[str, Any] = {"OTEL_EXPORTER_OTLP_ENDPOINT": otlp.endpoint}
    port = ports.free()
    web = serving(fleet, port, **traced, OTEL_SERVICE_NAME="web")
    worker = fleet.start(**traced, OTEL_SERVICE_NAME="worker", CM_LOG_FORMAT="json")
    (tmp_path / "go-1").touch()
    url = f"http://127.0.0.1:{port}/api/jobs/submit/scribbler"
    answer = httpx.post(url, json={"folder": str(tmp_path)}, headers=caller, timeout=60).json()
    eventually(lambda: fleet.ask("select from app.runs where finished_at is not null"), 60)
    for each in (worker, web):
        each.terminate()
        assert each.died() == 0

    (request,) = otlp.named("POST /api/jobs/submit/{job_type}")
    assert (request.service, request.kind) == ("web", 2)
    assert (request.trace_id, request.parent) == ("4b" * 16, "7f" * 8)
    assert request.facts["http.response.status_code"] == 202
    (task,) = otlp.named("scribbler.write")
    assert (task.service, task.kind, task.parent) == ("worker", 5, "")
    assert task.links == [(request.trace_id, request.span_id)]
    assert task.trace_id != request.trace_id
    assert task.facts["coremachine.job_id"] == answer["job_id"]
    assert task.facts["outcome"] == "completed"
    lines = [json.loads(line) for line in worker.log.read_text().splitlines()]
    here = [line for line in lines if line.get("stage") and line["message"] != "from a thread"]
    assert {line["trace_id"] for line in here} == {task.trace_id}
    assert not [span for span in otlp.spans if "readyz" in span.name]


def test_a_task_that_fails_has_a_failed_span(fleet: Fleet, otlp: Receiver) -> None:
    run = fleet.submit(StrictPoison())
    worker = fleet.start(OTEL_EXPORTER_OTLP_ENDPOINT=otlp.endpoint)
    assert fleet.ended(run).status == "failed"
    worker.terminate()
    assert worker.died() == 0
    failed = [span.failed for span in otlp.spans if span.failed]
    assert failed
    assert all("this element fails always" in why for why in failed)


def test_a_receiver_that_is_away_stops_no_work(fleet: Fleet) -> None:
    run = fleet.submit(Relay())
    worker = fleet.start(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{ports.free()}")
    assert fleet.ended(run).status == "completed"
    worker.terminate()
    assert worker.died() == 0


def test_application_insights_without_its_package_is_told_and_stops_nobody(fleet: Fleet) -> None:
    run = fleet.submit(Relay())
    worker = fleet.start(
        APPLICATIONINSIGHTS_CONNECTION_STRING="InstrumentationKey=00000000-0000-0000-0000-000000000000"
    )
    assert fleet.ended(run).status == "completed"
    worker.terminate()
    assert worker.died() == 0
    told = worker.log.read_text()
    assert "azure-monitor-opentelemetry-exporter is not installed" in told
    assert "00000000-0000" not in told
