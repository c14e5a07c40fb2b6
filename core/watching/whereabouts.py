"""Where a thread is: the task it works on, and the request it serves. Logs and traces read it; nothing decides by it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from core.queues import QueueName
from core.tasks import TaskKey


@dataclass(frozen=True, slots=True)
class Line:
    """Something a task wrote to its log. `at` is the writing process's clock, in seconds since 1970."""

    at: float
    level: int
    logger: str
    message: str


@dataclass(frozen=True, slots=True)
class Mark:
    """The attempt at a task that is being worked on."""

    job_id: str
    job_type: str
    number: int
    """Which run of the job it is, as people count them."""
    stage: str
    queue: QueueName
    key: TaskKey
    attempt: int
    keep: Callable[[Mark, Line], None] | None = None
    """Takes the lines that the task writes to its log: the scribe's, or in a child process what sends them to it."""


_task: ContextVar[Mark | None] = ContextVar("coremachine_task", default=None)
_request: ContextVar[str] = ContextVar("coremachine_request", default="")


def current_task() -> Mark | None:
    return _task.get()


def current_request() -> str:
    """The correlation id of the request that is being served; empty outside of one."""
    return _request.get()


class at_task:
    """All that is done in this block is done for that task."""

    __slots__ = ("_mark", "_token")

    def __init__(self, mark: Mark) -> None:
        self._mark = mark

    def __enter__(self) -> None:
        self._token = _task.set(self._mark)

    def __exit__(self, *_: object) -> None:
        _task.reset(self._token)


@contextmanager
def at_request(correlation_id: str) -> Generator[None]:
    token = _request.set(correlation_id)
    try:
        yield
    finally:
        _request.reset(token)
