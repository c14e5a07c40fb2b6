"""What people want at a glance: which gates wait, what ended lately, when a job's tasks ran."""

from __future__ import annotations

from datetime import datetime

from coremachine_client.jobs import JobRef, id_of
from coremachine_client.models import Answer
from coremachine_client.transport import Transport


class Gate(Answer):
    """A gate that waits for a person."""

    job_id: str
    job_type: str
    stage: str
    since: datetime


class Gates(Answer):
    """Gates that wait, the longest first."""

    gates: list[Gate] = []


class Minute(Answer):
    """Jobs that ended in one minute."""

    ago: int
    """How many minutes ago; 0 is the last sixty seconds."""
    completed: int = 0
    failed: int = 0
    cancelled: int = 0


class Throughput(Answer):
    """Jobs that ended in the last hour, the oldest minute first."""

    minutes: list[Minute] = []
    ended: int = 0
    failed: int = 0
    failure_rate: float = 0.0


class Band(Answer):
    """The tasks of one stage, in slices of equal length."""

    stage: str
    tasks: int
    busy: list[int] = []
    """In each slice, how many tasks were under way."""
    failed: list[int] = []
    """In each slice, how many tasks ended in failure."""


class Timeline(Answer):
    """When the tasks of a job were under way."""

    begin: datetime
    end: datetime
    slice_seconds: float
    stages: list[Band] = []


class HistorySlice(Answer):
    """Jobs of one type that ended in one slice of time, the tasks they had, and what the type's tasks moved then."""

    begin: datetime
    job_type: str
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    tasks: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


class TypeHistory(Answer):
    """One job type over the whole window; half, nine of ten and 99 of 100 jobs took at most so many seconds."""

    job_type: str
    jobs: int
    failed: int
    tasks: int
    bytes_in: int = 0
    bytes_out: int = 0
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None


class FailureReason(Answer):
    """Failed tasks of one reason."""

    job_type: str
    stage: str
    error: str | None = None
    message: str | None = None
    tasks: int
    jobs: int
    last: datetime
    job_id: str


class History(Answer):
    """How the installation did over hours, days or weeks."""

    begin: datetime
    end: datetime
    slice_seconds: float
    whole: bool = True
    slices: list[HistorySlice] = []
    types: list[TypeHistory] = []
    reasons: list[FailureReason] = []


class GlanceVerbs:
    """What a client can ask to see at a glance."""

    transport: Transport

    def gates(self) -> list[Gate]:
        """The gates that wait for a person, the longest first; 200 at most."""
        return self.transport.get(Gates, "/api/gates").gates

    def throughput(self) -> Throughput:
        """What ended in the last hour, minute by minute, and the share that failed."""
        return self.transport.get(Throughput, "/api/status/throughput")

    def history(self, span: str = "24h") -> History:
        """How it went over `24h`, `7d` or `30d`: jobs by type and time, durations, reasons of failure."""
        return self.transport.get(History, "/api/history", span=span)

    def timeline(
        self, job: JobRef, begin: datetime | None = None, end: datetime | None = None
    ) -> Timeline:
        """When the tasks of the job's current run were under way; of the whole run unless told otherwise."""
        path = f"/api/jobs/{id_of(job)}/timeline"
        return self.transport.get(Timeline, path, begin=begin, end=end)
