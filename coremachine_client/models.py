"""What the server answers, as values. A field that a newer server adds is kept, and shown when it is dumped."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

FINAL = frozenset({"completed", "completed_with_errors", "failed", "cancelled"})
SUCCEEDED = frozenset({"completed", "completed_with_errors"})


class Answer(BaseModel):
    """Something the server told."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)


class Submitted(Answer):
    """What came of a submission."""

    job_id: str
    job_type: str
    status: str
    message: str
    run: int
    is_new: bool
    """Whether this submission began the run; equal parameters find the job that exists."""
    waits: bool = False
    """Whether it has still to be let in; its status says what it waits for."""
    parameters: dict[str, Any]


class StagePlan(Answer):
    """A stage as its job type plans it."""

    name: str
    shape: str
    reads: list[str] = []
    queue: str = ""
    attempts: int = 1
    description: str = ""


class Preview(Answer):
    """What a submission would do."""

    job_id: str
    job_type: str
    exists: bool
    status: str | None
    """Where the job stands, if it exists."""
    message: str
    parameters: dict[str, Any]
    plan: list[StagePlan]


class Counts(Answer):
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


class StageProgress(Answer):
    """How far a stage is."""

    name: str
    status: str
    """`not_opened`, `expanding`, `open`, `closed` or `cancelled`."""
    total: int = 0
    """How many tasks it has; 0 until they are planned."""
    counts: Counts = Counts()
    progress: float = 0.0


class Stage(StageProgress):
    """A stage of a job."""

    number: int
    shape: str
    verdict: str | None = None
    opened_at: datetime | None = None
    closed_at: datetime | None = None


class Failure(Answer):
    """Why something failed."""

    message: str
    type: str = ""
    code: str = ""
    stage: str | None = None
    task: str | None = None


class Waiting(Answer):
    """Why a run has not been let in yet."""

    reason: str
    """`dependencies`, `concurrency`, `max_running`, `rate` or `turn`."""
    message: str
    key: str | None = None
    """The concurrency key it waits for."""
    jobs: list[str] = []
    """The jobs it waits for: those it comes after, or those that have the key."""


class Run(Answer):
    """One run of a job."""

    run: int
    status: str
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: str | None = None


class Standing(Answer):
    """What every view of a job has in common."""

    job_id: str
    job_type: str
    status: str
    run: int
    parameters: Any = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def ended(self) -> bool:
        return self.status in FINAL

    @property
    def succeeded(self) -> bool:
        """It ended, and has a result."""
        return self.status in SUCCEEDED


class JobLine(Standing):
    """A job as a list tells it."""

    waiting: bool = False
    """It has not been let in yet; `Client.status` tells why."""
    stages_closed: int = 0
    stages_total: int = 0
    error: str | None = None


class Job(Standing):
    """Where a job stands, stage by stage."""

    progress: float = 0.0
    stages: list[Stage] = []
    result: Any = None
    result_streamed: bool = False
    """The result is too large to stand here; `Client.result` fetches it."""
    error: Failure | None = None
    last_event: int = 0
    priority: int = 0
    """Runs of higher priority go first."""
    waiting: Waiting | None = None
    """Why it has not been let in yet; None once it has been."""
    runs: list[Run] | None = None


class Progress(Answer):
    """How far a job is: comes between the events of a stream whenever counts change."""

    status: str
    progress: float = 0.0
    stages: list[StageProgress] = []
    waiting: Waiting | None = None
    """Why it has not been let in yet."""

    @property
    def ended(self) -> bool:
        return self.status in FINAL


class Task(Answer):
    """Where a task stands."""

    task_id: str
    stage: str
    index: int | None = None
    status: str
    attempt: int = 0
    failures: int = 0
    queue: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    due_at: datetime | None = None
    progress: float | None = None
    note: str | None = None
    error: Failure | None = None
    arguments: Any = None
    result: Any = None
    trace: str | None = None


class Event(Answer):
    """Something that happened to a job."""

    number: int
    """Counts the job's events without gaps, over all its runs."""
    at: datetime
    what: str
    run: int
    stage: str | None = None
    task_id: str | None = None
    attempt: int | None = None
    data: dict[str, Any] | None = None


class JobType(Answer):
    """A job type: what it does, which parameters it takes, and its stages."""

    job_type: str
    description: str = ""
    parameters: dict[str, Any]
    """The JSON Schema of the parameters."""
    stages: list[StagePlan] = []
    schedule: str | None = None


class Component(Answer):
    """How one component is."""

    status: str
    ms: float = 0.0
    detail: str = ""


class Health(Answer):
    """How everything is: `healthy`, `degraded` or, when nothing can work, `unhealthy`."""

    status: str
    components: dict[str, Component] = {}


class Alert(Answer):
    """Something an operator should look at."""

    code: str
    message: str


class DeepStatus(Answer):
    """Queues, workers, failures of the last hour, and alerts."""

    queue: dict[str, int] = {}
    alerts: list[Alert] = []


class Blob(Answer):
    """A blob. What a list did not tell is None."""

    ref: str
    size: int | None = None
    modified: datetime | None = None
    content_type: str | None = None
    etag: str | None = None
    md5: str | None = None

    @property
    def name(self) -> str:
        return self.ref.split("/", 2)[-1]


class TierCost(Answer):
    """The files of one tier, over all items of the catalog."""

    tier: str
    items: int
    bytes: int
    price: float
    """What a gigabyte costs to keep for a month."""
    monthly_cost: float


class Costs(Answer):
    """What keeping the catalog's rasters costs a month."""

    currency: str
    tiers: list[TierCost] = []
    bytes: int = 0
    monthly_cost: float = 0.0


class Container(Answer):
    """A container of a zone."""

    zone: str
    container: str
    name: str
    """Both together, as jobs take it: `bronze-rasters`."""


class Link(Answer):
    """An address that needs no key, for a while. Whoever has it may use it."""

    ref: str
    url: str
    method: str = "GET"
    headers: dict[str, str] = {}
    expires: datetime


class UploadProgress(Answer):
    """An upload in pieces, and how far it is."""

    id: str
    ref: str
    size: int
    piece_size: int
    count: int
    there: list[int] = Field(default_factory=list[int])
    """The numbers of the pieces that arrived."""
