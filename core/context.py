"""What a running task may touch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from core.blobs import BlobRef, Blobs, is_there
from core.catalog import Catalog
from core.errors import BadInput

T = TypeVar("T")
Report = Callable[[float, str], None]


class Checkpoints(Protocol):
    """Keeps what a phase of a task made, so that a retry resumes after it."""

    def once(self, name: str, make: Callable[[], T], valid: Callable[[T], bool]) -> T: ...


class NoCheckpoints:
    """For handlers called by hand: every phase runs."""

    def once(self, name: str, make: Callable[[], T], valid: Callable[[T], bool]) -> T:
        return make()


class NoBlobs:
    """For handlers called by hand: says what is missing when storage is touched."""

    def __getattr__(self, name: str) -> object:
        raise BadInput(
            f"this Context has no blobs, so {name!r} cannot work; pass blobs=MemoryBlobs()"
        )


class NoCatalog:
    """For handlers called by hand: says what is missing when the catalog is touched."""

    def __getattr__(self, name: str) -> object:
        raise BadInput(
            f"this Context has no catalog, so {name!r} cannot work; pass catalog=MemoryCatalog()"
        )


def _ignore(fraction: float, note: str = "") -> None: ...


def _go_on() -> None: ...


def _logger() -> logging.LoggerAdapter[logging.Logger]:
    return logging.LoggerAdapter(logging.getLogger("coremachine.task"))


@dataclass(frozen=True, slots=True)
class Context:
    """Handed to every task: its identity, resources, progress and cancellation."""

    job_id: str = "by-hand"
    task_id: str = "by-hand"
    attempt: int = 1
    origin: str | None = None
    """The id of the task this one came from, when its stage fans out over an earlier fan-out."""
    blobs: Blobs = field(default_factory=NoBlobs)  # type: ignore[assignment]
    catalog: Catalog = field(default_factory=NoCatalog)  # type: ignore[assignment]
    options: Mapping[type[Any], object] = field(default_factory=dict[type[Any], object])
    """What this installation has set for the work of services, by the class that holds it."""
    log: logging.LoggerAdapter[logging.Logger] = field(default_factory=_logger)
    reporter: Callable[[float, str], None] = _ignore
    checker: Callable[[], None] = _go_on
    checkpoints: Checkpoints = field(default_factory=NoCheckpoints)

    @property
    def token(self) -> str:
        """Names this attempt: put it into temporary blob names, so a zombie cannot overwrite."""
        return f"{self.task_id}-{self.attempt}"

    def option(self, kind: type[T]) -> T:
        """The settings of one kind; their defaults where this installation has set none."""
        found = self.options.get(kind)
        return found if isinstance(found, kind) else kind()

    def report(self, fraction: float, note: str = "") -> None:
        """Say how far the task is. It also renews the task's lease."""
        self.reporter(min(max(fraction, 0.0), 1.0), note)

    def check(self) -> None:
        """A safe point to stop: raises Cancelled or ShuttingDown when the task should."""
        self.checker()

    def once(self, name: str, make: Callable[[], T], valid: Callable[[T], bool] | None = None) -> T:
        """Run a phase once per task: its result is kept, and a later attempt gets it back.

        The phase is run again when `valid` refuses what was kept, or when it named a blob that is gone.
        """
        return self.checkpoints.once(name, make, valid or self._still_there)

    def _still_there(self, kept: object) -> bool:
        return not isinstance(kept, BlobRef) or is_there(self.blobs, kept)
