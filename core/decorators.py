"""The decorators that make a job's methods its stages, and the types that wire them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar, Unpack, overload

from core.context import Context
from core.errors import JobDefinitionError
from core.results import Results
from core.stages import MAX_SOURCES, AnyStage, Decision, Shape, Stage, StageOptions

J = TypeVar("J")
R = TypeVar("R")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
X = TypeVar("X")

S = Stage[Any, ..., Any, A]  # a source that hands on an A


def _decorator(
    shape: Shape, sources: Sequence[Any], options: Any, each: Callable[..., list[Any]] | None = None
) -> Callable[[Callable[..., Any]], AnyStage]:
    if len(sources) > MAX_SOURCES or not all(isinstance(s, Stage) for s in sources):
        raise JobDefinitionError(
            f"@{shape} reads at most {MAX_SOURCES} earlier stages, named as objects"
        )

    def decorate(handler: Callable[..., Any]) -> AnyStage:
        return AnyStage(shape, handler, sources, options, each)

    return decorate


@overload
def single(handler: Callable[[J, Context], R], /) -> Stage[J, [], R, R]: ...
@overload
def single(
    **options: Unpack[StageOptions],
) -> Callable[[Callable[[J, Context], R]], Stage[J, [], R, R]]: ...
@overload
def single(
    a: S[A], /, **options: Unpack[StageOptions]
) -> Callable[[Callable[[J, Context, A], R]], Stage[J, [A], R, R]]: ...
@overload
def single(
    a: S[A], b: S[B], /, **options: Unpack[StageOptions]
) -> Callable[[Callable[[J, Context, A, B], R]], Stage[J, [A, B], R, R]]: ...
@overload
def single(
    a: S[A], b: S[B], c: S[C], /, **options: Unpack[StageOptions]
) -> Callable[[Callable[[J, Context, A, B, C], R]], Stage[J, [A, B, C], R, R]]: ...
def single(*args: Any, **options: Any) -> Any:
    """One task. Name earlier stages to receive their values."""
    if args and callable(args[0]):
        return _decorator(Shape.SINGLE, (), {})(args[0])
    return _decorator(Shape.SINGLE, args, options)


@overload
def gate(handler: Callable[[J, Context], str], /) -> Stage[J, [], str, Decision]: ...
@overload
def gate(
    **options: Unpack[StageOptions],
) -> Callable[[Callable[[J, Context], str]], Stage[J, [], str, Decision]]: ...
@overload
def gate(
    a: S[A], /, **options: Unpack[StageOptions]
) -> Callable[[Callable[[J, Context, A], str]], Stage[J, [A], str, Decision]]: ...
@overload
def gate(
    a: S[A], b: S[B], /, **options: Unpack[StageOptions]
) -> Callable[[Callable[[J, Context, A, B], str]], Stage[J, [A, B], str, Decision]]: ...
@overload
def gate(
    a: S[A], b: S[B], c: S[C], /, **options: Unpack[StageOptions]
) -> Callable[[Callable[[J, Context, A, B, C], str]], Stage[J, [A, B, C], str, Decision]]: ...
def gate(*args: Any, **options: Any) -> Any:
    """A step that a person settles: the handler asks the question, later stages read the Decision."""
    if args and callable(args[0]):
        return _decorator(Shape.GATE, (), {})(args[0])
    return _decorator(Shape.GATE, args, options)


@overload
def fan_out(
    *, each: Callable[[J], list[X]], **options: Unpack[StageOptions]
) -> Callable[[Callable[[J, Context, X], R]], Stage[J, [X], R, list[R]]]: ...
@overload
def fan_out(
    a: S[A], /, *, each: Callable[[J, A], list[X]], **options: Unpack[StageOptions]
) -> Callable[[Callable[[J, Context, X], R]], Stage[J, [X], R, list[R]]]: ...
@overload
def fan_out(
    a: S[A], b: S[B], /, *, each: Callable[[J, A, B], list[X]], **options: Unpack[StageOptions]
) -> Callable[[Callable[[J, Context, X], R]], Stage[J, [X], R, list[R]]]: ...
@overload
def fan_out(
    a: S[A],
    b: S[B],
    c: S[C],
    /,
    *,
    each: Callable[[J, A, B, C], list[X]],
    **options: Unpack[StageOptions],
) -> Callable[[Callable[[J, Context, X], R]], Stage[J, [X], R, list[R]]]: ...
@overload
def fan_out(
    a: S[list[X]], /, **options: Unpack[StageOptions]
) -> Callable[[Callable[[J, Context, X], R]], Stage[J, [X], R, list[R]]]: ...
@overload
def fan_out(
    a: S[list[X]], b: S[B], /, **options: Unpack[StageOptions]
) -> Callable[[Callable[[J, Context, X, B], R]], Stage[J, [X, B], R, list[R]]]: ...
@overload
def fan_out(
    a: S[list[X]], b: S[B], c: S[C], /, **options: Unpack[StageOptions]
) -> Callable[[Callable[[J, Context, X, B, C], R]], Stage[J, [X, B, C], R, list[R]]]: ...
def fan_out(*sources: Any, each: Any = None, **options: Any) -> Any:
    """One task per element: of the first stage's list, or of what `each` makes of the sources.

    `each` must give the same list whenever it is asked: after a crash it is asked again.
    """
    return _decorator(Shape.FAN_OUT, sources, options, each)


class _FanIn1(Protocol[X]):
    @overload
    def __call__(
        self, handler: Callable[[J, Context, list[X]], R], /
    ) -> Stage[J, [list[X]], R, R]: ...
    @overload
    def __call__(
        self, handler: Callable[[J, Context, Results[X]], R], /
    ) -> Stage[J, [Results[X]], R, R]: ...


class _FanIn2(Protocol[X, B]):
    @overload
    def __call__(
        self, handler: Callable[[J, Context, list[X], B], R], /
    ) -> Stage[J, [list[X], B], R, R]: ...
    @overload
    def __call__(
        self, handler: Callable[[J, Context, Results[X], B], R], /
    ) -> Stage[J, [Results[X], B], R, R]: ...


class _FanIn3(Protocol[X, B, C]):
    @overload
    def __call__(
        self, handler: Callable[[J, Context, list[X], B, C], R], /
    ) -> Stage[J, [list[X], B, C], R, R]: ...
    @overload
    def __call__(
        self, handler: Callable[[J, Context, Results[X], B, C], R], /
    ) -> Stage[J, [Results[X], B, C], R, R]: ...


@overload
def fan_in(a: S[list[X]], /, **options: Unpack[StageOptions]) -> _FanIn1[X]: ...
@overload
def fan_in(a: S[list[X]], b: S[B], /, **options: Unpack[StageOptions]) -> _FanIn2[X, B]: ...
@overload
def fan_in(
    a: S[list[X]], b: S[B], c: S[C], /, **options: Unpack[StageOptions]
) -> _FanIn3[X, B, C]: ...
def fan_in(*sources: Any, **options: Any) -> Any:
    """One task over every result of an earlier fan-out: as a list, or as `Results` when very wide."""
    if not sources:
        raise JobDefinitionError("@fan_in names the fan-out it gathers: @fan_in(convert)")
    return _decorator(Shape.FAN_IN, sources, options)
