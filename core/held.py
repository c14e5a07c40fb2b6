"""The tasks this process holds right now, and which of them it should let go."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from core.errors import Cancelled, ShuttingDown
from core.tasks import Claim, TaskKey


class Held:
    """Shared by the slots that run tasks and the heartbeat that compares them with the store."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._attempts: dict[TaskKey, int] = {}
        self._lost: set[TaskKey] = set()
        self.stopping = threading.Event()

    def add(self, claims: Iterable[Claim]) -> None:
        with self._lock:
            for claim in claims:
                self._attempts[claim.key] = claim.attempt
                self._lost.discard(claim.key)

    def remove(self, claims: Iterable[Claim]) -> None:
        with self._lock:
            for claim in claims:
                self._attempts.pop(claim.key, None)
                self._lost.discard(claim.key)

    def snapshot(self) -> dict[TaskKey, int]:
        with self._lock:
            return dict(self._attempts)

    def lose(self, keys: Iterable[TaskKey]) -> None:
        """The store says these are no longer ours; their next `ctx.check()` raises."""
        with self._lock:
            self._lost.update(key for key in keys if key in self._attempts)

    def is_lost(self, key: TaskKey) -> bool:
        return key in self._lost

    def check(self, key: TaskKey) -> None:
        if self.is_lost(key):
            raise Cancelled(f"task {key} was taken away: its job ended, or its lease did")
        if self.stopping.is_set():
            raise ShuttingDown("the worker is stopping; another one will take the task")

    def __len__(self) -> int:
        return len(self._attempts)
