"""What the outside world sees of jobs, tasks, queues and workers; the same on pages, in the API and the CLI."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from core.insights.load import Load
from core.queues import QueueName
from core.stages import Shape
from core.states import JobStatus, StageStatus, TaskStatus, Verdict


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(_in_utc)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class View(BaseModel):
    """Something to look at."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Counts(View):
    """Tasks by status."""

    queued: int = 0
    processing: int = 0
    waiting: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    skipped: int = 0

    @property
    def ended(self) -> int:
        return self.completed + self.failed + self.cancelled + self.skipped

    @property
    def total(self) -> int:
        return self.queued + self.processing + self.waiting + self.ended


class StageView(View):
    """A stage of the plan, whether it has been opened or not."""

    number: int
    name: str
    shape: Shape
    status: StageStatus | Literal["not_opened"]
    verdict: Verdict | None = None
    """How it ended, once it is closed."""
    queue: QueueName
    reads: list[str]
    """The stages whose results it reads."""
    after: list[str]
    """Other stages it waits for."""
    total: int = 0
    """How many tasks it has; 0 until they are planned."""
    counts: Counts = Counts()
    progress: Fraction = 0.0
    opened_at: Moment | None = None
    closed_at: Moment | None = None


class TaskSummary(View):
    """The job's tasks, counted."""

    total: int
    by_status: Counts
    by_stage: dict[str, Counts]


class ErrorView(View):
    """Why something failed."""

    type: str = ""
    message: str
    code: str = "task_failed"


class JobError(ErrorView):
    """Why a job failed: the first failure of the stage that did not hold."""

    stage: str | None = None
    task: str | None = None


class WaitingView(View):
    """Why a run has not been let in yet."""

    reason: Literal["dependencies", "concurrency", "max_running", "rate", "turn"]
    message: str
    key: str | None = None
    """The concurrency key it waits for."""
    jobs: list[str] = []
    """The jobs it waits for: those it comes after, or those that have the key."""


class RunLine(View):
    """One run of a job."""

    run: int
    status: JobStatus
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    error: str | None


class JobLine(View):
    """A job as a list tells it."""

    job_id: str
    job_type: str
    status: JobStatus
    waiting: bool = False
    """It has not been let in yet; its own page says why."""
    run: int
    parameters: Any
    """Left out (null) when they are long."""
    stages_closed: int
    stages_total: int
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    error: str | None


class JobView(View):
    """Where a job stands."""

    job_id: str
    job_type: str
    status: JobStatus
    run: int
    """Which run of the job this is; a job that failed or is forced runs again under the same id."""
    priority: int = 0
    """Runs of higher priority go first."""
    waiting: WaitingView | None = None
    """Why it has not been let in yet, while that is so."""
    deadline: Moment | None = None
    """When it must have ended, where its job type has a timeout."""
    parameters: Any
    parameters_ref: str | None = None
    """The blob that holds the parameters, when they are too large to stand here."""
    progress: Fraction
    stages: list[StageView]
    task_summary: TaskSummary
    result: Any = None
    result_streamed: bool = False
    """The job has a result that is too large to stand here; links.result streams it."""
    error: JobError | None = None
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    last_event: int
    """The number of the newest event."""
    runs: list[RunLine] | None = None
    """Every run of this job, newest first; shown with verbose=true."""


class TaskView(View):
    """Where a task stands."""

    task_id: str
    stage: str
    index: int | None
    """Its place in the stage; null for the task that plans the stage."""
    status: TaskStatus
    attempt: int
    failures: int
    """Attempts that counted; being given back by a worker that stops does not."""
    queue: QueueName
    worker: UUID | None
    """The worker's session that has it now."""
    started_at: Moment | None
    finished_at: Moment | None
    deadline: Moment | None
    due_at: Moment | None
    """When a waiting task is tried again."""
    needs_decision: bool
    """It waits for a person."""
    progress: float | None
    note: str | None
    error: ErrorView | None
    origin: str | None
    """The id of the task it came from, where the stage fans out over an earlier fan-out."""


class TaskDetail(TaskView):
    """A task with what it was given and what it gave."""

    arguments: Any = None
    arguments_ref: str | None = None
    result: Any = None
    result_ref: str | None = None
    trace: str | None = None
    """The traceback of its last error; shown with verbose=true."""


class EventView(View):
    """Something that happened to a job."""

    number: int
    """Counts the job's events without gaps, over all its runs."""
    at: Moment
    what: str
    run: int
    stage: str | None
    task_id: str | None
    attempt: int | None
    data: dict[str, Any] | None


class JobPage(View):
    """Part of the list of jobs, newest first; `next` is the cursor of the part that follows."""

    jobs: list[JobLine]
    next: str | None


class TaskPage(View):
    """Part of a job's tasks, in order."""

    tasks: list[TaskView]
    next: str | None


class EventPage(View):
    """Part of a job's events; `next` is the number to ask for the events after."""

    events: list[EventView]
    next: int | None


class Update(View):
    """What a watcher learns: the events since the one it knows, and where the job stands now."""

    events: list[EventView]
    job: JobView

    @property
    def is_last(self) -> bool:
        """Nothing follows: the job has ended, and every event is told."""
        known = self.events[-1].number if self.events else self.job.last_event
        return self.job.status.is_final and known >= self.job.last_event


class QueueView(View):
    """How much waits in a queue."""

    queue: QueueName
    waiting: int
    """Tasks that are due, and nobody has begun."""
    later: int
    """Tasks that wait for their next attempt."""
    processing: int
    oldest_seconds: float | None
    """For how long the stage of the oldest due task has been open."""


class WorkerView(View):
    """A worker that has been heard of lately."""

    session: UUID
    host: str
    pid: int
    role: str
    queues: list[str]
    started_at: Moment
    seen_at: Moment
    holds: int
    """How many tasks it runs now."""


class Alert(View):
    """Something an operator should look at."""

    code: str
    message: str


class QueueStatus(View):
    """All queues together."""

    pending: int
    active: int
    failed_1h: int
    workers_online: int


class InventoryLine(View):
    """What is there of one model run."""

    model: str
    run: str
    status: str
    missing_hours: list[int]
    reason: str | None = None


class DeepStatus(View):
    """How the whole installation is doing."""

    queue: QueueStatus
    load: Load = Load()
    """The numbers that /api/metrics shows of the whole installation."""
    inventory: list[InventoryLine] = []
    alerts: list[Alert] = []


class PlanLine(View):
    """A stage as its job type plans it."""

    name: str
    shape: Shape
    reads: list[str]
    after: list[str]
    queue: QueueName
    attempts: int
    timeout_seconds: float
    within_seconds: float | None
    """How long the whole stage may take."""
    tolerated: float
    """The share of its tasks that may fail before the job does."""
    description: str


class JobTypeView(View):
    """A job type: what it does, which parameters it takes, and its plan."""

    job_type: str
    description: str
    parameters: dict[str, Any]
    """The JSON Schema of the parameters."""
    stages: list[PlanLine]
    schedule: str | None
    concurrency: str | None
    """What makes the key: runs of equal key take turns."""
    at_most: int | None
    """How many runs of one key may run at once."""
    key_rate: str | None
    """How fast runs of one key may start."""
    rate: str | None
    """How fast runs may start, unless an operator says otherwise."""
    timeout_seconds: float | None
    """How long a whole run may take."""
    priority: int
    reverses: str | None
    """The job type that this one undoes."""
