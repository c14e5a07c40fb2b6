"""One running task, as its worker watches it: its deadline, its memory, and whether it is still wanted."""

from __future__ import annotations

import time
from datetime import timedelta

from core.errors import Cancelled, OutOfMemory, ProcessDied, TaskTimeout
from core.held import Held
from core.tasks import Claim
from triggers.heavy import system
from triggers.heavy.messages import Gone, Stop
from triggers.heavy.process import TaskProcess

MERCY = 5.0
"""Seconds that a task has to come to a safe point after it was taken away; then its process is killed."""
OFTEN = 0.2
"""Seconds between two looks at a process's memory."""
MIB = 1 << 20


class Watch:
    """Every look may raise what ends the task."""

    def __init__(self, process: TaskProcess, claim: Claim, timeout: timedelta, held: Held) -> None:
        self.process = process
        self.claim = claim
        self.timeout = timeout.total_seconds()
        self.held = held
        self._oom_kills = system.oom_kills()
        self._last = time.monotonic()
        self._measured = 0.0
        self._told_gone: float | None = None
        self._told_to_stop = False

    def renew(self) -> None:
        self._last = time.monotonic()

    def look(self) -> None:
        now = time.monotonic()
        self._tell(now)
        if now - self._last > self.timeout:
            self.process.ask_trace()
            raise TaskTimeout(
                f"The task said nothing for {self.timeout:g} seconds, its stage's timeout, and was stopped; "
                "ctx.report() renews it"
            )
        if now - self._measured > OFTEN:
            self._measured = now
            self._weigh()

    def _tell(self, now: float) -> None:
        if self.held.stopping.is_set() and not self._told_to_stop:
            self._told_to_stop = True
            self.process.send(Stop())
        if not self.held.is_lost(self.claim.key):
            return
        if self._told_gone is None:
            self._told_gone = now
            self.process.send(Gone(self.claim.key))
        if now - self._told_gone > MERCY:
            raise Cancelled(f"task {self.claim.key} was taken away and did not stop; it was killed")

    def _weigh(self) -> None:
        used = self.process.memory
        if used > self.process.begin.memory:
            self.process.ask_trace()
            raise OutOfMemory(f"The task used {used // MIB} MiB of memory and was stopped")

    def understood(self, death: ProcessDied) -> ProcessDied | OutOfMemory:
        """What a death means: the system kills without a word when memory runs out."""
        if self.process.code == -9 and system.oom_kills() > self._oom_kills:
            return OutOfMemory(
                "The machine ran out of memory, and the system killed the task's process"
            )
        return death
