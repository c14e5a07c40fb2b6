"""Submit jobs, follow them, read what they gave."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import IO, Any
from urllib.parse import quote

from pydantic import BaseModel

from coremachine_client.errors import AmbiguousId, JobFailed, NotFound
from coremachine_client.models import (
    Event,
    Job,
    JobLine,
    JobType,
    Preview,
    Progress,
    Standing,
    Submitted,
    Task,
)
from coremachine_client.stream import Stream
from coremachine_client.transport import Transport
from coremachine_client.waiting import Waiting, Watcher

JobRef = str | Submitted | Standing
"""A job, or its id."""
Parameters = Mapping[str, Any] | BaseModel
WHOLE = re.compile("[0-9a-f]{64}")


def id_of(job: JobRef) -> str:
    return quote(job if isinstance(job, str) else job.job_id, safe="")


class JobVerbs:
    """What a client can ask about jobs."""

    transport: Transport

    def submit(
        self,
        job_type: str,
        parameters: Parameters | None = None,
        *,
        force: bool = False,
        priority: int | None = None,
        after: Sequence[JobRef] = (),
        after_success: bool | None = None,
    ) -> Submitted:
        """Submit a job. Equal parameters find the job that exists; `force` runs one again that has ended.

        It is safe to repeat, and is repeated when its answer gets lost, unless it is forced.
        """
        return self.transport.post(
            Submitted,
            _submit(job_type),
            _parameters(parameters),
            repeatable=not force,
            force=force or None,
            priority=priority,
            after=[id_of(job) for job in after] or None,
            after_success=after_success,
        )

    def preview(self, job_type: str, parameters: Parameters | None = None) -> Preview:
        """Check the parameters and tell what a submission would do; nothing is begun."""
        body = _parameters(parameters)
        return self.transport.post(Preview, _submit(job_type), body, repeatable=True, dry_run=True)

    def run(
        self,
        job_type: str,
        parameters: Parameters | None = None,
        *,
        timeout: float | None = None,
        progress: Watcher | None = None,
    ) -> Any:
        """Submit a job, wait until it has ended, and give back its result. A job that fails raises JobFailed."""
        job = self.wait(self.submit(job_type, parameters), timeout, progress)
        if not job.succeeded:
            raise JobFailed(job)
        return self.result(job)

    def status(self, job: JobRef, *, verbose: bool = False) -> Job:
        """Where a job stands. `verbose` tells every run, and long parameters."""
        return self.transport.get(Job, f"/api/jobs/status/{id_of(job)}", verbose=verbose or None)

    def wait(
        self, job: JobRef, timeout: float | None = None, progress: Watcher | None = None
    ) -> Job:
        """The job once it has ended, however it did. `progress` is called with every new state.

        After `timeout` seconds WaitedTooLong is raised; the job itself goes on.
        """
        return Waiting(lambda: self.status(job), timeout).ended(progress)

    def stream(self, job: JobRef, after: int = 0) -> Iterator[Event | Progress]:
        """What happens to a job as it happens, and how far it is, until it has ended.

        A connection that breaks is made again, and nothing is missed.
        """
        return iter(Stream(self.transport, id_of(job), after))

    def stream_events(self, job: JobRef, after: int = 0) -> Iterator[Event]:
        """Only the events of the stream. `after`: the number of the last one that is known."""
        return (each for each in self.stream(job, after) if isinstance(each, Event))

    def jobs(
        self,
        *,
        status: str | None = None,
        job_type: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        hours: float | None = None,
        prefix: str | None = None,
        page_size: int = 100,
    ) -> Iterator[JobLine]:
        """The jobs there are, newest first. Pages are fetched as the iteration needs them."""
        found = self.transport.pages(
            "/api/jobs",
            "jobs",
            status=status,
            job_type=job_type,
            created_after=created_after,
            created_before=created_before,
            hours=hours,
            prefix=prefix,
            limit=page_size,
        )
        return map(JobLine.model_validate, found)

    def find(self, prefix: str) -> str:
        """The whole id of the one job whose id begins so."""
        if WHOLE.fullmatch(prefix):
            return prefix
        if not re.fullmatch("[0-9a-f]{1,63}", prefix):
            raise _no_job(f"{prefix!r} is no job id: those are hexadecimal digits, at most 64")
        found = self.transport.pages("/api/jobs", "jobs", prefix=prefix, limit=5)
        ids = [str(job["job_id"]) for job, _ in zip(found, range(5), strict=False)]
        if not ids:
            raise _no_job(f"There is no job whose id begins with {prefix!r}")
        if len(ids) > 1:
            raise AmbiguousId(prefix, ids)
        return ids[0]

    def tasks(
        self,
        job: JobRef,
        *,
        stage: str | None = None,
        status: str | None = None,
        page_size: int = 100,
    ) -> Iterator[Task]:
        """The tasks of the job's current run, stage by stage."""
        path = f"/api/jobs/{id_of(job)}/tasks"
        found = self.transport.pages(path, "tasks", stage=stage, status=status, limit=page_size)
        return map(Task.model_validate, found)

    def task(self, job: JobRef, task_id: str, *, verbose: bool = False) -> Task:
        """One task, with what it was given and what it gave."""
        path = f"/api/jobs/{id_of(job)}/tasks/{quote(task_id, safe='')}"
        return self.transport.get(Task, path, verbose=verbose or None)

    def events(self, job: JobRef, *, after: int = 0, page_size: int = 100) -> Iterator[Event]:
        """What happened to a job so far, oldest first."""
        path = f"/api/jobs/{id_of(job)}/events"
        found = self.transport.pages(path, "events", after=after, limit=page_size)
        return map(Event.model_validate, found)

    def result(self, job: JobRef) -> Any:
        """What the job gave. A job without a result raises Conflict, which says why."""
        return self.transport.json(
            self.transport.send("GET", f"/api/jobs/{id_of(job)}/result"),
        )

    def write_result(self, job: JobRef, file: IO[bytes]) -> None:
        """Write the result as JSON, however long it is."""
        with self.transport.streaming(f"/api/jobs/{id_of(job)}/result") as answer:
            for chunk in answer.iter_bytes():
                file.write(chunk)

    def job_types(self) -> list[JobType]:
        """Every job type that can be submitted."""
        found = self.transport.pages("/api/job-types", "job_types")
        return [JobType.model_validate(each) for each in found]

    def job_type(self, name: str) -> JobType:
        """What a job type does, which parameters it takes, and its stages."""
        return self.transport.get(JobType, f"/api/job-types/{quote(name, safe='')}")


def _submit(job_type: str) -> str:
    return f"/api/jobs/submit/{quote(job_type, safe='')}"


def _parameters(given: Parameters | None) -> Mapping[str, Any]:
    return given.model_dump(mode="json") if isinstance(given, BaseModel) else given or {}


def _no_job(message: str) -> NotFound:
    return NotFound(message, status=404, code="job_not_found")
