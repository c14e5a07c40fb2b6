"""Stages: the shapes a step of a job can take.

    @single            one task
    @fan_out(earlier)  one task per element of an earlier stage's list
    @fan_in(earlier)   one task over all of an earlier fan-out's results
    @gate              a step that a person settles

A stage names the earlier stages it reads by referring to them, so a type checker follows the data
through the whole job, and a wrong connection fails at import.
"""

from __future__ import annotations

import inspect
import random
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import (
    Any,
    Concatenate,
    Generic,
    ParamSpec,
    Self,
    TypedDict,
    TypeVar,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)

from pydantic import BaseModel, ConfigDict, TypeAdapter

from core.context import Context
from core.errors import CoreMachineError, JobDefinitionError
from core.queues import LIGHT, QueueName
from core.results import Results

J = TypeVar("J")  # the job class
P = ParamSpec("P")  # what the handler takes after (self, ctx)
R = TypeVar("R")  # what one task returns
V = TypeVar("V")  # what later stages receive: R, or list[R] after a fan-out

MAX_SOURCES = 3
DOUBLED = 64
"""Failures after which no wait grows: numbers end somewhere, and an outage may last for days."""


class Shape(StrEnum):
    """How many tasks a stage has, and who ends them."""

    SINGLE = "single"
    FAN_OUT = "fan_out"
    FAN_IN = "fan_in"
    GATE = "gate"


class Decision(BaseModel):
    """What a person decided at a gate."""

    model_config = ConfigDict(frozen=True)

    approved: bool
    by: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often, and how patiently, a failed task is tried again.

    Errors listed in `never` are permanent; those in `always` are retried even when they call
    themselves permanent. The wait doubles each time and is spread by up to `jitter` of itself.
    """

    attempts: int = 3
    delay: timedelta = timedelta(seconds=5)
    backoff: float = 2.0
    longest: timedelta = timedelta(minutes=5)
    jitter: float = 0.25
    never: tuple[type[Exception], ...] = (
        ValueError,
        TypeError,
        KeyError,
        AssertionError,
        NotImplementedError,
    )
    always: tuple[type[Exception], ...] = ()

    def allows(self, error: Exception, failures: int) -> bool:
        """Whether a task that has now failed so many times is tried again after this error."""
        return failures < self.attempts and self.may_help(error)

    def may_help(self, error: Exception) -> bool:
        if isinstance(error, self.always):
            return True
        if isinstance(error, CoreMachineError):
            return error.retryable
        return not isinstance(error, self.never)

    def wait(self, failures: int) -> timedelta:
        doubled = self.delay.total_seconds() * self.backoff ** min(max(failures - 1, 0), DOUBLED)
        wait = timedelta(seconds=min(doubled, self.longest.total_seconds()))
        return wait * (1 + random.uniform(-self.jitter, self.jitter))  # noqa: S311 - spreads load, guards nothing


@dataclass(frozen=True, slots=True)
class OnFailure:
    """The share of a stage's tasks that may fail before the job does."""

    tolerated: float = 0.0


FAIL = OnFailure()


def keep_going(up_to: float = 1.0) -> OnFailure:
    """Go on while at most this share of the tasks failed; the job ends `completed_with_errors`."""
    return OnFailure(up_to)


class StageOptions(TypedDict, total=False):
    """What every stage can be told."""

    retry: Retry
    timeout: timedelta
    within: timedelta
    queue: QueueName
    on_failure: OnFailure
    after: Sequence[AnyStage]
    when: Callable[..., bool]


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


class Stage(Generic[J, P, R, V]):
    """A named step: on the class it is a `Stage`, on a job it is the bound handler."""

    name: str

    def __init__(
        self,
        shape: Shape,
        handler: Callable[Concatenate[J, Context, P], R],
        sources: Sequence[AnyStage],
        options: StageOptions,
        each: Callable[..., list[Any]] | None = None,
    ) -> None:
        self.shape = shape
        self.handler = handler
        self.sources = tuple(sources)
        self.each = each
        self.retry = options.get("retry", Retry())
        self.timeout = options.get("timeout", minutes(10))
        self.within = options.get("within")
        self.queue = options.get("queue", LIGHT)
        self.on_failure = options.get("on_failure", FAIL)
        self.after: tuple[AnyStage, ...] | None = (
            tuple(options["after"]) if "after" in options else None
        )
        self.when = options.get("when")
        self.__doc__ = handler.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, job: None, owner: type) -> Self: ...
    @overload
    def __get__(self, job: J, owner: type) -> Callable[Concatenate[Context, P], R]: ...
    def __get__(self, job: J | None, owner: type) -> Any:
        return self if job is None else types.MethodType(self.handler, job)

    def __repr__(self) -> str:
        return f"<{self.shape} {self.handler.__qualname__}>"

    @property
    def is_direct(self) -> bool:
        """A fan-out straight over an earlier fan-out: task for task, with lineage."""
        return (
            self.shape is Shape.FAN_OUT
            and self.each is None
            and self.sources[0].shape is Shape.FAN_OUT
        )

    @property
    def needs_planning(self) -> bool:
        """Whether opening the stage runs the job's own code or copies many rows."""
        return self.shape is Shape.FAN_OUT or self.when is not None

    def bind(self) -> None:
        """Resolve annotations once, when the job class is made, and check that the data fits."""
        hints = self._hints(self.handler)
        given = self._given()
        names = list(inspect.signature(self.handler).parameters)
        if len(names) < 2 or hints.get(names[1], Context) is not Context:
            raise self._wrong("must take ctx: Context first")
        names = names[2:]
        if len(names) != len(given) or any(name not in hints for name in [*names, "return"]):
            raise self._wrong(f"must annotate {len(given)} input(s) after ctx, and its result")
        for name, want in zip(names, given, strict=True):
            if not fits(hints[name], want, lazy=self.shape is Shape.FAN_IN):
                raise self._wrong(f"{name} must be {shown(want)}, not {shown(hints[name])}")
        if self.shape is Shape.GATE and hints["return"] is not str:
            raise self._wrong("a gate returns the question it asks, a str")
        if self.queue not in list(QueueName):
            raise self._wrong(
                f"no queue is called {self.queue!r}; there are {', '.join(QueueName)}"
            )
        self._bind_when(given)
        self.inputs: list[Any] = [hints[name] for name in names]
        self.adapter = TypeAdapter[Any](hints["return"])
        self.element = TypeAdapter[Any](self.inputs[0]) if self.shape is Shape.FAN_OUT else None
        self.value: Any = self._value(hints["return"])
        self.value_adapter = TypeAdapter[Any](self.value)

    def _value(self, result: Any) -> Any:
        match self.shape:
            case Shape.FAN_OUT:
                return types.GenericAlias(list, (result,))
            case Shape.GATE:
                return Decision
            case _:
                return result

    def _given(self) -> list[Any]:
        """The types this stage's tasks are called with."""
        values = [source.value for source in self.sources]
        if self.shape is Shape.FAN_IN and self.sources[0].shape is not Shape.FAN_OUT:
            raise self._wrong(
                f"{self.sources[0].name} is no fan-out, so there is nothing to fan in; use @single"
            )
        if self.shape is not Shape.FAN_OUT:
            return values
        if self.each is not None:
            wants = list(inspect.signature(self.each).parameters)[1:]
            hints = self._hints(self.each)
            if len(wants) != len(values):
                raise self._wrong(
                    f"{self.each.__name__} must take {len(values)} value(s) after self"
                )
            for name, want in zip(wants, values, strict=True):
                if not fits(hints.get(name), want, lazy=False):
                    raise self._wrong(f"{self.each.__name__}: {name} must be {shown(want)}")
            listed, rest = hints.get("return"), []
        else:
            listed, rest = (values[0] if values else None), values[1:]
        if get_origin(listed) is not list:
            raise self._wrong("has no list to fan out over")
        return [get_args(listed)[0], *rest]

    def _bind_when(self, given: list[Any]) -> None:
        if self.when is None:
            return
        wants = len(inspect.signature(self.when).parameters) - 1
        if wants not in (0, len(self.sources)):
            raise self._wrong(
                f"when= must take the job alone, or the job and {len(self.sources)} value(s)"
            )

    def _hints(self, function: Callable[..., Any]) -> dict[str, Any]:
        try:
            return get_type_hints(function, include_extras=True)
        except NameError as error:
            raise self._wrong(f"an annotation cannot be resolved: {error}") from error

    def _wrong(self, what: str) -> JobDefinitionError:
        return JobDefinitionError(f"{self.handler.__qualname__}: {what}")


AnyStage = Stage[Any, ..., Any, Any]


def fits(has: Any, want: Any, *, lazy: bool) -> bool:
    """Whether a parameter annotated `has` takes a value of type `want`; a fan-in may read lazily."""
    if has == want or has is Any:
        return True
    return (
        lazy
        and get_origin(has) is Results
        and get_origin(want) is list
        and get_args(has) == get_args(want)
    )


def is_lazy(annotation: Any) -> bool:
    return get_origin(annotation) is Results


def shown(annotation: Any) -> str:
    return (
        annotation.__name__
        if isinstance(annotation, type) and not get_args(annotation)
        else str(annotation)
    )


def stages_of(owner: type) -> tuple[AnyStage, ...]:
    """The stages written in a class body, in the order they were written."""
    return tuple(
        cast(AnyStage, member) for member in vars(owner).values() if isinstance(member, Stage)
    )
