"""JobBase: a job is its parameters plus the stages that act on them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any, ClassVar, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from core.errors import JobDefinitionError
from core.plan import PlannedStage, plan_of
from core.schedule import SAMPLE, Schedule
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
    concurrency: ClassVar[str | None]
    priority: ClassVar[int]
    reverses: ClassVar[type[JobBase] | None]
    also: ClassVar[tuple[str, ...]]

    def __init_subclass__(
        cls,
        *,
        name: str | None = None,
        schedule: str | Schedule | Sequence[Schedule] | None = None,
        concurrency: str | None = None,
        priority: int = 0,
        reverses: type[JobBase] | None = None,
        also: tuple[str, ...] = (),
        **config: Any,
    ) -> None:
        """`also`: names that earlier systems had for it; submissions under them are the same job.

        `schedule`: when it is submitted by itself: a cron expression in UTC, or a Schedule that says more.
        """
        super().__init_subclass__(**config)
        cls.also = also
        cls.job_type = name or snake(cls.__name__)
        cls.schedules = _schedules(cls.__name__, schedule)
        cls.concurrency, cls.priority, cls.reverses = concurrency, priority, reverses

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
    def fingerprint(self) -> str:
        """Equal parameters name the same job, so submission is idempotent."""
        return hashlib.sha256(f"{self.job_type}:{self.canonical}".encode()).hexdigest()


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


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
