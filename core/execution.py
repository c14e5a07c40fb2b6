"""Where claimed tasks run: in the worker's own process, or in processes of their own."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from core.tasks import Claim, Ending


class Execution(Protocol):
    """Turns a claim into an ending. Whatever is measured or captured around a task goes around this."""

    @property
    def session(self) -> UUID:
        """The session that the claims belong to."""
        ...

    def run(self, claim: Claim) -> Ending | None:
        """How the attempt ended; None when a planning task has already said so itself."""
        ...


class Apart(Execution, Protocol):
    """Runs each task in a process that can be killed without harm to any other."""

    def fit(self) -> bool:
        """Whether this machine can take a task now: a full disk is the machine's trouble, not the task's."""
        ...

    def warm(self) -> None:
        """Have processes ready before the first task comes."""
        ...

    def stop(self) -> None:
        """Kill what still runs. Those tasks are given back unharmed."""
        ...
