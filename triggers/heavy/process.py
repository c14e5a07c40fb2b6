"""One process for heavy tasks, as its worker sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.errors import ProcessDied, ServiceUnavailable
from triggers.heavy import scratch, system
from triggers.heavy.child import CRASH
from triggers.heavy.messages import Begin, Ready
from triggers.heavy.nursery import Lease

START = 60.0
"""Seconds until a process must be ready."""
REAPED = 5.0
TRACE_WAIT = 0.5
TRACE_LIMIT = 8_000


class TaskProcess:
    """Kept warm between tasks. Whatever happens to it is raised as ProcessDied."""

    def __init__(self, lease: Lease, begin: Begin) -> None:
        self.lease = lease
        self.begin = begin
        self.tasks = 0
        try:
            self.send(begin)
            if not isinstance(self.hear(START), Ready):
                raise ProcessDied("it did not become ready")
        except ProcessDied as error:
            self.end()
            raise ServiceUnavailable(
                f"No process for heavy tasks could be started: {error}"
            ) from error

    @property
    def pid(self) -> int:
        return self.lease.pid

    @property
    def alive(self) -> bool:
        return not self.lease.over

    @property
    def memory(self) -> int:
        return system.memory_of(self.pid)

    def send(self, word: object) -> None:
        try:
            self.lease.line.send(word)
        except OSError:
            raise self.death() from None

    def hear(self, seconds: float) -> Any:
        """What it says next; None if it says nothing for so long."""
        try:
            return self.lease.line.recv() if self.lease.line.poll(seconds) else None
        except (EOFError, OSError):
            raise self.death() from None

    def death(self) -> ProcessDied:
        return ProcessDied(f"The task's process {system.death(self.code)}")

    @property
    def code(self) -> int | None:
        """Its exit code, negative for a signal; None when nobody knows."""
        return self.lease.code(REAPED)

    def trace(self) -> str:
        """What it was doing when it crashed, or was last asked."""
        try:
            return self._crash.read_text(errors="replace").replace("\0", "")[-TRACE_LIMIT:]
        except OSError:
            return ""

    def ask_trace(self) -> None:
        """Have it write down what it is doing, even where it holds Python's lock."""
        self.lease.ask_trace()
        self.hear_nothing(TRACE_WAIT)

    def hear_nothing(self, seconds: float) -> None:
        """Wait until the report is there or the process is gone."""
        system.wait_for(lambda: not self.alive or bool(self.trace()), seconds)

    def tidy(self) -> None:
        """Remove what the task has left, so that the next one starts with nothing."""
        scratch.empty(self.begin.scratch)
        self._crash.write_bytes(b"")

    def kill(self) -> None:
        self.lease.kill()

    def end(self) -> None:
        """Kill it, and remove all its files."""
        self.kill()
        self.lease.code(REAPED)  # or it would still be writing
        self.lease.close()
        scratch.clear(self.begin.folder)

    @property
    def _crash(self) -> Path:
        return self.begin.folder / CRASH
