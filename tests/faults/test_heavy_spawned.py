"""Processes for heavy tasks whose nursery is a program of its own, as where a worker is part of something larger."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from core import HEAVY, Context, JobBase, single
from core.machine import CoreMachine
from core.ports import Worker
from core.queues import QueueName
from core.registry import Registry
from core.worker import WorkerProcess
from infrastructure.settings import Settings
from tests.support.fault_jobs.burden import Many
from tests.support.fleet import JOBS, Fleet
from triggers import wiring
from triggers.heavy.executor import HeavyExecutor
from triggers.heavy.nursery import Nursery
from triggers.heavy.scratch import Scratch


class Homeless(JobBase):
    """Of a module that no package of CM_JOBS holds."""

    @single(queue=HEAVY)
    def wander(self, ctx: Context) -> int:
        return 1


@contextmanager
def working(fleet: Fleet, folder: Path, *jobs: type[JobBase]) -> Iterator[WorkerProcess]:
    """A worker in this process, which knows the jobs because they were handed to it."""
    settings = Settings(database_url=fleet.dsn, jobs=JOBS, service_bus=None)
    with ExitStack() as stack:
        services = wiring.build(settings)
        stack.callback(services.close)
        machine = CoreMachine(Registry.of(*jobs), services.machine.store, services.machine.blobs)
        scratch = Scratch.take(folder)
        stack.callback(scratch.close)
        process = WorkerProcess(
            machine,
            services.queue,
            Worker(uuid4(), "here", 1, "test", tuple(QueueName)),
            dict.fromkeys(QueueName, 1),
            apart=partial(
                HeavyExecutor,
                settings=settings,
                slots=1,
                scratch=scratch,
                nursery=Nursery(JOBS, scratch.folder),
            ),
        )
        process.start()
        stack.callback(process.drain, 5)
        yield process


def test_a_job_that_cannot_be_imported_by_name_fails_with_a_word_that_helps(
    fleet: Fleet, tmp_path: Path
) -> None:
    with working(fleet, tmp_path / "scratch", Homeless):
        ended = fleet.ended(fleet.submit(Homeless()))
    assert ended.status == "failed"
    assert ended.error is not None
    assert ended.error["code"] == "not_importable"
    assert f"{__name__} must be a module that can be imported" in ended.error["message"]
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_worker_elsewhere_than_its_code_starts_processes(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They find modules where their worker found them, whatever the folder they start in."""
    with working(fleet, tmp_path / "scratch", Many):
        monkeypatch.chdir(tmp_path)
        assert fleet.ended(fleet.submit(Many(tasks=3))).status == "completed"
