"""Heavy tasks have processes of their own: whatever happens to one, its worker and the others go on."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.invariants import violations
from tests.faults.conftest import Harbour
from tests.support.fault_jobs.burden import (
    Brittle,
    Deaf,
    Glutton,
    Litter,
    Many,
    Slow,
    Steps,
    Stuck,
    Talker,
    Whole,
)
from tests.support.fault_jobs.patience import Patience
from tests.support.fault_jobs.poison import Death
from tests.support.fleet import Fleet, Worker
from tests.support.waiting import eventually

HEAVY = "jobs,tasks-light,tasks-heavy"


def failure(fleet: Fleet, run: int) -> dict[str, Any]:
    ((error,),) = fleet.ask(
        "select error from app.tasks where run_id = %s and error is not null", run
    )
    return error


@pytest.mark.parametrize(
    ("death", "words"),
    [
        ("abort", "was killed by signal 6 (SIGABRT)"),
        ("segfault", "was killed by signal 11 (SIGSEGV)"),
        ("exit", "ended by itself with exit code 3"),
    ],
)
def test_a_task_that_kills_its_process_costs_nobody_else_anything(
    fleet: Fleet, death: Death, words: str
) -> None:
    """Fault 31: the attempt counts, the reason is told in words, and the worker lives on."""
    run = fleet.submit(Brittle(death=death))
    worker = fleet.start()
    ended = fleet.ended(run)
    assert (ended.status, ended.result) == ("completed_with_errors", [0, 2, 3])
    error = failure(fleet, run)
    assert error["message"] == f"The task's process {words}"
    assert error["code"] == "process_died"
    assert ("die" in error["trace"]) == (death != "exit"), "the crash says where"
    assert fleet.ask("select attempt, failures from app.tasks where status = 'failed'") == [(2, 2)]
    assert fleet.ask("select max(attempt) from app.tasks where status = 'completed'") == [(1,)]
    assert worker.alive
    assert violations(fleet.dsn) == []
