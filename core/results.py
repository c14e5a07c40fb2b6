"""Results: what a very wide fan-in reads, page by page, instead of one long list."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Failure:
    """A task of the source stage that gave no result."""

    index: int
    error: str


class Results(Generic[T]):
    """The results of a fan-out in task order. Iterating reads pages, so memory stays flat."""

    def __init__(
        self,
        count: int,
        read: Callable[[], Iterator[T]],
        failures: Callable[[], Iterator[Failure]] = lambda: iter(()),
    ) -> None:
        self._count = count
        self._read = read
        self._failures = failures

    @classmethod
    def of(cls, *values: T) -> Results[T]:
        """Results made by hand, for a handler's unit test."""
        return cls(len(values), lambda: iter(values))

    def __iter__(self) -> Iterator[T]:
        return self._read()

    def __len__(self) -> int:
        """How many tasks succeeded."""
        return self._count

    @property
    def failures(self) -> Iterator[Failure]:
        """The tasks that failed, when the stage was told to go on without them."""
        return self._failures()

    def __repr__(self) -> str:
        return f"Results({self._count})"


AnyResults = Results[Any]
