"""How much there is to do and who does it: the numbers of dashboards, measured in the database."""

from __future__ import annotations

from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict

from core.queues import QueueName
from core.states import JobStatus

State = Literal["due", "later", "processing"]


class Measured(BaseModel):
    """A number or some, with what they are of."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class TaskLoad(Measured):
    """Open tasks of one queue, one job type and one state."""

    state: State
    """`due`: nobody has begun them. `later`: they wait for their next attempt."""
    queue: QueueName
    job_type: str
    tasks: int
    oldest_seconds: float | None
    """Of due ones: for how long the oldest of their stages has been open."""


class WorkerLoad(Measured):
    """Workers of one role, by whether they have said lately that they live."""

    role: str
    online: int
    silent: int


class MessageLoad(Measured):
    """Messages that were promised and are not sent, and such that nobody could read. Counted to 10,000 at most."""

    outbox: int
    outbox_oldest: float | None
    quarantined: int


class Load(Measured):
    """All of it, of about one moment."""

    tasks: list[TaskLoad] = []
    jobs: dict[JobStatus, int] = {}
    """Jobs that have not ended, by status."""
    workers: list[WorkerLoad] = []
    messages: MessageLoad = MessageLoad(outbox=0, outbox_oldest=None, quarantined=0)


class Scales(Protocol):
    """Measures the load."""

    def load(self) -> Load:
        """May be some seconds old: the answer is kept the longer, the more it cost."""
        ...
