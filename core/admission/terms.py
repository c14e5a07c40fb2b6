"""When a run may start: the terms it was submitted on, what it waits for, and what it counts against."""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import BadInput, Conflict, JobDefinitionError
from core.tasks import Event

if TYPE_CHECKING:
    from core.ports import Turn

RATE = re.compile(r"(\d{1,9})\s*/\s*(\d{1,5})?\s*(second|minute|hour|day)s?")
SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
LONGEST = SECONDS["day"]
LOWEST, HIGHEST = -100, 100
KEY_LENGTH = 200


class UnknownDependency(BadInput):
    """A job that this one should wait for does not exist."""

    code = "unknown_dependency"


class DependencyCycle(Conflict):
    """The jobs would wait for each other for ever."""

    code = "dependency_cycle"


class AlreadySubmitted(Conflict):
    """The job was submitted already, and does not wait for what is asked now."""

    code = "already_submitted"


class Rate(BaseModel):
    """So many starts in so many seconds. It is a bucket of `count` tokens that fills up in that time."""

    model_config = ConfigDict(frozen=True)

    count: int = Field(ge=1, le=10**9)
    seconds: float = Field(gt=0, le=LONGEST)

    @classmethod
    def of(cls, text: str) -> Rate:
        """`100/minute`, `1/30 seconds`."""
        found = RATE.fullmatch(text.strip())
        try:
            if found is None:
                raise ValueError(text)
            return cls(count=int(found[1]), seconds=int(found[2] or 1) * SECONDS[found[3]])
        except (ValueError, ValidationError):
            raise BadInput(
                f"{text!r} is no rate: write 100/minute or 1/30 seconds, over a day at most"
            ) from None

    def __str__(self) -> str:
        for unit, seconds in SECONDS.items():
            if self.seconds == seconds:
                return f"{self.count}/{unit}"
        return f"{self.count}/{self.seconds:g} seconds"


KeyOf = Callable[[Any], str | None]
"""Makes the key of a job; None where it needs none."""


@dataclass(frozen=True, slots=True)
class Concurrency:
    """Runs of equal key take turns: `at_most` of them run at once, and start no faster than `rate`.

    The key is a template over parameters (`"{collection}"`), or a callable that makes it of the job.
    It is the job type's own, unless `shared` with every other job that makes the same text.
    """

    key: str | KeyOf
    at_most: int | None = 1
    rate: Rate | str | None = None
    shared: bool = False

    def __str__(self) -> str:
        return (
            self.key if isinstance(self.key, str) else getattr(self.key, "__name__", "a callable")
        )

    def of(self, job: BaseModel, job_type: str) -> str:
        """The job's key; empty where a parameter that the template names is not given."""
        made = self._rendered(job) if isinstance(self.key, str) else self.key(job)
        if not made:
            return ""
        return _short(made if self.shared else f"{job_type}:{made}")

    def _rendered(self, job: BaseModel) -> str | None:
        assert isinstance(self.key, str)
        given = job.model_dump(mode="json", include=set(names_in(self.key)))
        return None if None in given.values() else self.key.format_map(given)

    def check(self, owner: str, parameters: Mapping[str, Any]) -> None:
        """What a class header can get wrong."""
        if self.at_most is not None and self.at_most < 1:
            raise JobDefinitionError(f"{owner}: at_most must be 1 or more")
        if isinstance(self.key, str):
            for name in names_in(self.key):
                if name not in parameters:
                    raise JobDefinitionError(
                        f"{owner}: concurrency={self.key!r} names {name!r}, which is no parameter"
                    )


def names_in(template: str) -> list[str]:
    return [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]


def _short(key: str) -> str:
    """Keys stand in an index, which takes no row of any length."""
    key = key.replace("\0", " ")
    if len(key) <= KEY_LENGTH:
        return key
    return f"{key[: KEY_LENGTH - 17]}#{hashlib.sha256(key.encode()).hexdigest()[:16]}"


class Terms(BaseModel):
    """What decides when a run may start and how long it may take, as it was when the run was submitted."""

    model_config = ConfigDict(frozen=True)

    key: str = ""
    at_most: int | None = None
    """How many runs of this key may run at once."""
    key_rate: Rate | None = None
    rate: Rate | None = None
    """How fast runs of the job type may start, where no operator says otherwise."""
    timeout: float | None = None
    """Seconds the whole run may take once it was let in."""

    @property
    def binds(self) -> bool:
        """Whether the run may have to wait."""
        return bool(self.key) or self.rate is not None


FREE = Terms()


@dataclass(frozen=True, slots=True)
class After:
    """The jobs whose current runs must have ended before this one starts."""

    jobs: tuple[str, ...] = ()
    success: bool = False
    """Whether they must have ended well; the run is cancelled when one has not."""

    def refuse_unknown(self, found: set[str]) -> None:
        if missing := [job for job in self.jobs if job not in found]:
            raise UnknownDependency(f"there is no job {', '.join(missing)} to wait for")


NOTHING_FIRST = After()


def admitted_event(number: int, key: str, waited: float) -> Event:
    data: dict[str, Any] = {"run": number, "waited": round(waited, 3)}
    return Event("job_admitted", data={**data, "key": key} if key else data)


@dataclass(frozen=True, slots=True)
class Limit:
    """What an operator allows a job type; None is no limit."""

    max_running: int | None = None
    rate: Rate | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """Where somebody may have become free to start: one run, those it made room for, or all."""

    run: int = 0
    key: str = ""
    job_type: str = ""
    ended: int = 0
    """The run that others waited for."""
    everything: bool = False


EVERYTHING = Scope(everything=True)


@dataclass(frozen=True, slots=True)
class Doomed:
    """A waiting run whose dependency did not end well."""

    run: int
    job_id: str
    """The job it waited for."""
    status: str
    """How that ended; `deleted` when it is gone."""


class Admissions(Protocol):
    """The part of the store that lets runs in. Every method is one transaction, on the database's clock."""

    def admitting(self, scope: Scope) -> AbstractContextManager[Turn | None]:
        """Let in the run that is next in the scope, by priority and then by age; None when nobody may start.

        Nobody else lets runs of its type or key in until the block ends.
        """
        ...

    def freed_by(self, run: int) -> Scope | None:
        """Where an ended run has made room; None when nobody waited for it."""
        ...

    def doomed(self, scope: Scope, limit: int) -> list[Doomed]: ...
    def dependencies(self, run: int) -> set[str]:
        """The jobs that the run was told to wait for."""
        ...

    def waits_for(self, jobs: Sequence[str], run: int) -> bool:
        """Whether one of the jobs waits for the run, itself or by way of others."""
        ...

    def limit(self, job_type: str) -> Limit: ...
    def set_limit(self, job_type: str, limit: Limit, by: str) -> None: ...
    def overdue_runs(self, limit: int) -> list[int]: ...
    def overdue_stages(self, limit: int) -> list[tuple[int, int]]: ...
    def drop_overdue(self, run: int, stage: int, limit: int) -> int:
        """Cancel what is open in a stage that has passed its time, running tasks included."""
        ...
