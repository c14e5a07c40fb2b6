"""Insights: every question people ask about jobs, tasks, queues and workers, answered without any presentation."""

from __future__ import annotations

import difflib
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NoReturn
from urllib.parse import urlsplit

from pydantic_core import from_json

from core.admission.lines import KeyPage, LimitView, limit_view, waiting_view
from core.blobs import BlobRef, Blobs
from core.errors import (
    Conflict,
    CoreMachineError,
    InvalidParameters,
    JobNotFound,
    ResultNotReady,
    TaskNotFound,
)
from core.insights.glances import Glances
from core.insights.load import Load, Scales
from core.insights.portrait import Portrait, StageCount, job_type_view, task_detail, task_view
from core.insights.reading import JobFilter, JobRecord, Reader
from core.insights.views import (
    Alert,
    DeepStatus,
    EventPage,
    InventoryLine,
    JobLine,
    JobPage,
    JobTypeView,
    JobView,
    QueueStatus,
    QueueView,
    TaskDetail,
    TaskPage,
    Update,
    WorkerView,
)
from core.kept import Kept
from core.plan import PlannedStage
from core.registry import Registry
from core.stages import Shape
from core.states import JobStatus, StageStatus, TaskStatus
from core.tasks import Payload, TaskKey
from core.values import Values

JOB_ID = re.compile("[0-9a-f]{64}")
LARGEST = 2**63
RESULTS_PAGE = 200
EVENTS_PAGE = 500
STUCK_AFTER, SLOW_AFTER = 300.0, 3600.0


class NoResult(Conflict):
    """The job ended without a result."""

    code = "no_result"


class Insights(Glances):
    """Answers for web pages, the API and the CLI alike. It keeps nothing but counts, for a moment."""

    def __init__(
        self,
        reader: Reader,
        registry: Registry,
        blobs: Blobs,
        *,
        dead_after: float = 20.0,
        scales: Scales | None = None,
        inventory: Callable[[], list[InventoryLine]] | None = None,
    ) -> None:
        """`inventory`: what is there of forecasts, where an installation keeps any."""
        super().__init__(reader)
        self.registry = registry
        self.blobs = blobs
        self.values = Values(blobs)
        self.dead_after = dead_after
        self.scales = scales
        self.inventory = inventory
        self._counts: Kept[tuple[int, tuple[int, ...]], Mapping[int, StageCount]] = Kept()
        self._queues: Kept[str, list[QueueView]] = Kept()

    # jobs

    def jobs(self, wanted: JobFilter, cursor: str | None = None, limit: int = 50) -> JobPage:
        """Part of the jobs that fit, newest first. Jobs that arrive meanwhile do not move the parts that follow."""
        before = None if cursor is None else _position(cursor, 1)[0]
        found = self.reader.jobs(wanted, before, limit + 1)
        more = len(found) > limit
        lines = [line for _, line in found[:limit]]
        return JobPage(jobs=lines, next=_cursor(found[limit - 1][0]) if more else None)

    def newest(self, statuses: Sequence[JobStatus], limit: int) -> dict[JobStatus, list[JobLine]]:
        """The newest jobs of each of these statuses."""
        found: dict[JobStatus, list[JobLine]] = {status: [] for status in statuses}
        for line in self.reader.newest(statuses, limit):
            found[line.status].append(line)
        return found

    def job(self, job_id: str, *, verbose: bool = False) -> JobView:
        """Where a job stands."""
        record = self._record(job_id)
        view = self._view(record)
        if not verbose:
            return view
        parameters = from_json(self.values.unpack(record.run.parameters))
        return view.model_copy(update={"runs": self.reader.runs(job_id), "parameters": parameters})

    def current_run(self, job_id: str) -> int:
        return self._record(job_id, whole=False).run.run

    def status_of(self, job_id: str) -> JobStatus | None:
        """Where a job stands, in a word; None when there is no such job."""
        record = self.reader.job(job_id, whole=False)
        return None if record is None else record.run.status

    def events(self, job_id: str, after: int = 0, limit: int = EVENTS_PAGE) -> EventPage:
        """The job's events after number `after`. They are numbered without gaps, so none is ever missed."""
        record = self._record(job_id, whole=False)
        found = self.reader.events(job_id, after, limit) if after < record.events else []
        more = bool(found) and found[-1].number < record.events
        return EventPage(events=found, next=found[-1].number if more else None)

    def watch(self, job_id: str, after: int) -> Update:
        """What is new since event `after`. Asking is cheap, so a stream may ask often."""
        record = self._record(job_id, whole=False)
        found = self.reader.events(job_id, after, EVENTS_PAGE) if after < record.events else []
        return Update(events=found, job=self._view(record))

    def result(self, job_id: str) -> Iterator[bytes]:
        """The result as JSON, in pieces: a list of a million elements passes through without staying."""
        record = self._record(job_id)
        status = record.run.status
        if not status.is_final:
            raise ResultNotReady(
                f"Job {job_id} is {status}; its result comes when it has completed."
            )
        if status in (JobStatus.FAILED, JobStatus.CANCELLED):
            _say_why(record)
        if record.run.plan[-1].shape is Shape.FAN_OUT:
            last = len(record.run.plan) - 1
            pieces = self._listed(record.run.plan[last].home(record.run.run), last)
        else:
            pieces = self._pieces(record.result)
        # The first piece now, while a missing blob can still be told as an error.
        return chain([next(pieces, b"null")], pieces)

    def _listed(self, run: int, stage: int) -> Iterator[bytes]:
        after, opening = -1, b"["
        while page := self.reader.results(run, stage, after, RESULTS_PAGE):
            yield opening + b",".join(self.values.unpack(payload) for _, payload in page)
            after, opening = page[-1][0], b","
        yield b"]" if after >= 0 else b"[]"

    def _pieces(self, payload: Payload) -> Iterator[bytes]:
        if payload.ref is not None:
            return self.blobs.chunks(BlobRef(payload.ref))
        return iter([self.values.unpack(payload)])

    # tasks

    def tasks(
        self,
        job_id: str,
        *,
        stage: str | None = None,
        status: TaskStatus | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> TaskPage:
        """Part of the tasks of the job's current run, stage by stage."""
        run = self._record(job_id, whole=False).run
        number = None if stage is None else _stage_number(run.plan, stage)
        first, last = (number or 0, -2) if cursor is None else _position(cursor, 2)
        homes = [planned.home(run.run) for planned in run.plan]
        found = self.reader.tasks(homes, number, status, (first, last), limit + 1)
        page = found[:limit]
        views = [task_view(task, run.plan) for task in page]
        more = len(found) > limit
        return TaskPage(
            tasks=views, next=_cursor(page[-1].key.stage, page[-1].key.idx) if more else None
        )

    def task(self, job_id: str, task_id: str, *, verbose: bool = False) -> TaskDetail:
        """One task, of any run of the job, with its arguments and result."""
        key = TaskKey.parse(task_id)
        found = self.reader.task(job_id, key) if JOB_ID.fullmatch(job_id) and fits(key) else None
        if found is None:
            self._record(job_id, whole=False)
            raise TaskNotFound(f"Job {job_id} has no task {task_id}.")
        return task_detail(*found, verbose=verbose)

    # the installation

    def queues(self) -> list[QueueView]:
        return self._queues.get("", self.reader.queues)

    def workers(self) -> list[WorkerView]:
        """The workers that have said lately that they live."""
        return self.reader.workers(self.dead_after)

    def missing_migrations(self) -> list[str]:
        """What the database lacks before this code can work with it."""
        return self.reader.missing_migrations()

    def deep(self) -> DeepStatus:
        """How the whole installation is doing, and what someone should look at."""
        queues, workers = self.queues(), self.workers()
        status = QueueStatus(
            pending=sum(queue.waiting + queue.later for queue in queues),
            active=sum(queue.processing for queue in queues),
            failed_1h=self.reader.failures(1.0),
            workers_online=len(workers),
        )
        load = Load() if self.scales is None else self.scales.load()
        lines, alerts = self._inventory()
        alerts = [*self._alerts(status, queues), *alerts]
        return DeepStatus(queue=status, alerts=alerts, load=load, inventory=lines)

    def _inventory(self) -> tuple[list[InventoryLine], list[Alert]]:
        """Storage that does not answer hides the inventory, and nothing else."""
        try:
            lines = [] if self.inventory is None else self.inventory()
        except CoreMachineError as error:
            return [], [_alert("no_inventory", f"what is there of forecasts is not known: {error}")]
        down = {line.model: line.reason for line in lines if line.status == "source_down"}
        return lines, [_alert("source_down", f"{model}: {why}") for model, why in down.items()]

    def _alerts(self, status: QueueStatus, queues: Sequence[QueueView]) -> Iterator[Alert]:
        if status.pending and not status.workers_online:
            yield _alert("no_workers", f"{status.pending} tasks wait and no worker is online.")
        yield from (alert for queue in queues if (alert := _late(queue)) is not None)
        if set_aside := self.reader.quarantined():
            yield _alert("quarantine", f"{set_aside} messages could not be read and are set aside.")
        for hook in self.reader.failing_webhooks():
            why = hook.reason or f"{hook.failures} attempts in a row have failed"
            host = urlsplit(hook.url).hostname  # the rest of the address may be a secret
            yield _alert("webhook_down", f"webhook {hook.webhook} to {host}: {why}.")
        for module, reason in self.registry.broken.items():
            yield _alert("broken_job_module", f"{module} cannot be used: {reason}")

    # job types

    def job_types(self) -> list[JobTypeView]:
        return [job_type_view(job) for _, job in sorted(self.registry.jobs.items())]

    def job_type(self, name: str) -> JobTypeView:
        return job_type_view(self.registry[name])

    # lines

    def keys(self, cursor: str | None = None, limit: int = 50) -> KeyPage:
        """Part of the concurrency keys that somebody holds or waits for."""
        found = self.reader.keys("" if cursor is None else cursor, limit + 1)
        more = len(found) > limit
        return KeyPage(keys=found[:limit], next=found[limit - 1].key if more else None)

    def limit(self, job_type: str) -> LimitView:
        """What a job type may do at once."""
        job = self.registry[job_type]
        return limit_view(job, self.reader.limit(job.job_type))

    # how the answers are found

    def _record(self, job_id: str, *, whole: bool = True) -> JobRecord:
        record = self.reader.job(job_id, whole=whole) if JOB_ID.fullmatch(job_id) else None
        if record is None:
            raise JobNotFound(f"There is no job {job_id!r}. GET /api/jobs lists those there are.")
        return record

    def _view(self, record: JobRecord) -> JobView:
        view = self._portrait(record).view
        row = self.reader.waiting(record.run.run) if record.waits else None
        return view if row is None else view.model_copy(update={"waiting": waiting_view(row)})

    def _portrait(self, record: JobRecord) -> Portrait:
        uncounted = tuple(s.stage for s in record.stages if s.status is not StageStatus.CLOSED)
        return Portrait(record, self._count(record.run.run, uncounted) if uncounted else {})

    def _count(self, run: int, stages: tuple[int, ...]) -> Mapping[int, StageCount]:
        return self._counts.get(
            (run, stages), lambda: StageCount.by_stage(self.reader.count_tasks(run, stages))
        )


def _say_why(record: JobRecord) -> NoReturn:
    """A job without a result owes an explanation."""
    error = record.error
    if error is None:
        raise NoResult(f"Job {record.run.job_id} is {record.run.status}, so it has no result.")
    if record.run.status is JobStatus.CANCELLED:
        raise NoResult(f"The job was {error['message']}.")
    where = ", ".join(f"{name} {error[name]}" for name in ("stage", "task") if name in error)
    said = f"{error['type']}: {error['message']}"
    raise NoResult(f"The job failed in {where}: {said}" if where else f"The job failed: {said}")


def _stage_number(plan: Sequence[PlannedStage], name: str) -> int:
    names = [stage.name for stage in plan]
    if name in names:
        return names.index(name)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(names)}."
    _invalid("stage", f"This job has no stage {name!r}. {hint}")


def _cursor(*position: int) -> str:
    return urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def _position(cursor: str, length: int) -> list[int]:
    """What a cursor of ours says; anything else is the caller's mistake."""
    try:
        position: Any = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        position = None
    match position:
        case [*numbers] if len(numbers) == length and fits(numbers):
            return numbers
        case _:
            _invalid("cursor", "This is no cursor of ours; pass `next` of the page before.")


def fits(numbers: Sequence[object]) -> bool:
    """Whether the database can compare its numbers with these."""
    return all(type(n) is int and -LARGEST <= n < LARGEST for n in numbers)


def _invalid(parameter: str, message: str) -> NoReturn:
    raise InvalidParameters(
        message, [{"loc": ("query", parameter), "msg": message, "type": "value_error"}]
    )


def _late(queue: QueueView) -> Alert | None:
    age = queue.oldest_seconds or 0.0
    if age > STUCK_AFTER and not queue.processing:
        return _alert(
            "queue_stuck", f"{queue.queue}: due for {age / 60:.0f} minutes, and nobody works on it."
        )
    if age > SLOW_AFTER:
        return _alert("queue_slow", f"{queue.queue}: work has been due for {age / 60:.0f} minutes.")
    return None


def _alert(code: str, message: str) -> Alert:
    return Alert(code=code, message=message)
