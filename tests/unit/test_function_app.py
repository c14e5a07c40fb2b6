"""function_app.py as Microsoft's worker library sees it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def index(mode: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.support.function_apps.show_functions", str(ROOT), mode]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def indexed() -> dict[str, Any]:
    return index("service-bus")


def trigger_of(indexed: dict[str, Any], name: str) -> dict[str, Any]:
    return next(b for b in indexed["functions"][name] if b["type"].endswith("Trigger"))


def test_one_function_answers_every_route_and_method(indexed: dict[str, Any]) -> None:
    """R46: the only route is the catch-all, so nothing of ours begins with admin on the host's side."""
    http = trigger_of(indexed, "http")
    assert http["route"] == "{*route}"
    assert http["authLevel"] == "ANONYMOUS"
    assert set(http["methods"]) == {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
    triggers = [trigger_of(indexed, name) for name in indexed["functions"]]
    assert [t["route"] for t in triggers if t["type"] == "httpTrigger"] == ["{*route}"]


@pytest.mark.parametrize(
    ("name", "queue"), [("jobs", "%CM_QUEUE_JOBS%"), ("tasks-light", "%CM_QUEUE_LIGHT%")]
)
def test_each_queue_of_the_functions_host_has_its_trigger(
    indexed: dict[str, Any], name: str, queue: str
) -> None:
    trigger = trigger_of(indexed, name)
    assert trigger["type"] == "serviceBusTrigger"
    assert (trigger["queueName"], trigger["connection"]) == (queue, "SERVICEBUS_CONNECTION_STRING")
    assert "cardinality" not in trigger


def test_the_timer_fires_every_five_seconds(indexed: dict[str, Any]) -> None:
    assert trigger_of(indexed, "tick")["schedule"] == "*/5 * * * * *"


def test_without_service_bus_there_are_no_queue_functions() -> None:
    assert set(index("no-service-bus")["functions"]) == {"http", "tick", "clean"}


def test_indexing_starts_neither_the_web_app_nor_the_database(indexed: dict[str, Any]) -> None:
    assert indexed["loaded"] == []


def test_the_host_has_its_functions_soon(indexed: dict[str, Any]) -> None:
    """Cold import of the Functions host, without what the wiring adds; the processor's time, whoever else uses it."""
    assert indexed["seconds"] < 2


def test_one_python_file_lies_at_the_root() -> None:
    """R45: a backup beside function_app.py is indexed, imported or deployed by accident."""
    assert {path.name for path in ROOT.glob("*.py")} <= {"function_app.py", "conftest.py"}
