"""JobBase: a job is its parameters plus the stages that act on them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from core.admission.terms import HIGHEST, LOWEST, Concurrency, KeyOf, Rate, Terms
from core.errors import BadInput, JobDefinitionError
from core.plan import PlannedStage, plan_of
from core.schedules.schedule import SAMPLE, Schedule
from core.stages import AnyStage, Stage, stages_of

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


class JobBase(BaseModel):
    """Subclass it: fields are the job's parameters, decorated methods are its stages."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        ignored_types=(Stage,),
        use_attribute_docstrings=True,
    )

    job_type: ClassVar[str]
    stages: ClassVar[tuple[AnyStage, ...]]
    plan: ClassVar[list[PlannedStage]]
    schedules: ClassVar[tuple[Schedule, ...]]
    concurrency: ClassVar[Concurrency | None]
    priority: ClassVar[int]
    rate: ClassVar[Rate | None]
    timeout: ClassVar[timedelta | None]
    reverses: ClassVar[type[JobBase] | None]
    also: ClassVar[tuple[str, ...]]

    def __init_subclass__(
        cls,
        *,
        name: str | None = None,
        schedule: str | Schedule | Sequence[Schedule] | None = None,
        concurrency: str | KeyOf | Concurrency | None = None,
        priority: int = 0,
        rate: str | Rate | None = None,
        timeout: timedelta | None = None,
        reverses: type[JobBase] | None = None,
        also: tuple[str, ...] = (),
        **config: Any,
    ) -> None:
        """`also`: names that earlier systems had for it; submissions under them are the same job.

        `concurrency`: runs of equal key take turns. `rate`: how fast runs may start. `timeout`: of a whole run.
        `schedule`: when it is submitted by itself: a cron expression in UTC, or a Schedule that says more.
        """
        super().__init_subclass__(**config)
        cls.also = also
        cls.job_type = name or snake(cls.__name__)
        cls.schedules = _schedules(cls.__name__, schedule)
        cls.concurrency, cls.rate = _turns(cls.job_type, concurrency), _rate(cls.job_type, rate)
        cls.priority, cls.timeout, cls.reverses = priority, timeout, reverses

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        cls.stages = stages_of(cls)
        check_definition(cls)
        for stage in cls.stages:
            stage.bind()
        cls.plan = plan_of(cls.stages)
        for schedule in cls.schedules:
            check_schedule(cls, schedule)

    @classmethod
    def stage(cls, name: str) -> AnyStage | None:
        return next((stage for stage in cls.stages if stage.name == name), None)

    @property
    def canonical(self) -> str:
        """The parameters as JSON that is the same for equal parameters."""
        return json.dumps(
            self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )

    @property
    def terms(self) -> Terms:
        """What decides when a run of this job may start, and how long it may take."""
        turns = self.concurrency
        key = "" if turns is None else turns.of(self, self.job_type)
        return Terms(
            key=key,
            at_most=turns.at_most if turns and key else None,
            key_rate=_rate(self.job_type, turns.rate) if turns and key else None,
            rate=self.rate,
            timeout=None if self.timeout is None else self.timeout.total_seconds(),
        )

    @property
    def fingerprint(self) -> str:
        """Equal parameters name the same job, so submission is idempotent."""
        return hashlib.sha256(f"{self.job_type}:{self.canonical}".encode()).hexdigest()


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _turns(owner: str, given: str | KeyOf | Concurrency | None) -> Concurrency | None:
    turns = given if given is None or isinstance(given, Concurrency) else Concurrency(given)
    if turns is not None:
        _rate(owner, turns.rate)
    return turns


def _rate(owner: str, given: str | Rate | None) -> Rate | None:
    try:
        return Rate.of(given) if isinstance(given, str) else given
    except BadInput as error:
        raise JobDefinitionError(f"{owner}: {error}") from None


def _schedules(
    name: str, given: str | Schedule | Sequence[Schedule] | None
) -> tuple[Schedule, ...]:
    match given:
        case None:
            return ()
        case str():
            try:
                return (Schedule(given),)
            except ValueError as error:
                raise JobDefinitionError(f"{name}: {error}") from error
        case Schedule():
            return (given,)
        case _:
            return tuple(given)


def check_schedule(cls: type[JobBase], schedule: Schedule) -> None:
    """Its parameters must be the job's, so that no tick fails at night for what could be seen by day."""
    names = [each.name for each in cls.schedules]
    if len(set(names)) < len(names):
        raise JobDefinitionError(f"{cls.__name__} has schedules of one name; give each its own")
    if schedule.name and not NAME.fullmatch(schedule.name):
        raise JobDefinitionError(f"{cls.__name__}: {schedule.name!r} is no name of a schedule")
    try:
        cls.model_validate_json(json.dumps(schedule.filled(SAMPLE)), strict=True)
    except (ValidationError, TypeError) as error:
        raise JobDefinitionError(
            f"{cls.__name__}: the parameters of its schedule do not fit: {error}"
        ) from error


def check_definition(cls: type[JobBase]) -> None:
    """What a class body can get wrong that no single stage sees."""
    if not NAME.fullmatch(cls.job_type):
        raise JobDefinitionError(
            f"{cls.job_type!r} is no job type: lower case letters, digits and underscores"
        )
    _check_terms(cls)
    if not cls.stages:
        raise JobDefinitionError(f"{cls.__name__} has no stages; decorate a method with @single")
    earlier: set[AnyStage] = set()
    for stage in cls.stages:
        for other in (*stage.sources, *(stage.after or ())):
            if other not in earlier:
                raise JobDefinitionError(
                    f"{cls.__name__}.{stage.name} names a stage that is not written before it in this class"
                )
        earlier.add(stage)
    for name, field in cls.model_fields.items():
        annotation: Any = field.annotation
        if (get_origin(annotation) or annotation) in (set, frozenset):
            raise JobDefinitionError(
                f"{cls.__name__}.{name} is a set, which has no order, so equal jobs would get different ids; use list"
            )


def _check_terms(cls: type[JobBase]) -> None:
    if not LOWEST <= cls.priority <= HIGHEST:
        raise JobDefinitionError(
            f"{cls.__name__}: priority is {cls.priority}; it must be from {LOWEST} to {HIGHEST}"
        )
    for option, span in (("timeout", cls.timeout), *((s.name, s.within) for s in cls.stages)):
        if span is not None and span <= timedelta(0):
            raise JobDefinitionError(
                f"{cls.__name__}: the time of {option} must be longer than none"
            )
    if cls.concurrency is not None:
        cls.concurrency.check(cls.__name__, cls.model_fields)
