"""Runs heavy tasks in warm processes, one at a time in each, and survives whatever they do."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import count
from uuid import UUID

from core.errors import (
    CoreMachineError,
    NotImportable,
    OutOfMemory,
    ProcessDied,
    ServiceUnavailable,
    UnknownJobType,
)
from core.executor import Executor, described, ending_of
from core.stages import AnyStage, Retry
from core.tasks import Again, Claim, Ending, Failed, Released
from core.watching.traffic import Moved
from core.watching.whereabouts import Line, current_task
from triggers import wiring
from triggers.heavy.messages import Begin, Carried, Ended, Logged, Renewed, Run
from triggers.heavy.nursery import Nursery
from triggers.heavy.process import TaskProcess
from triggers.heavy.scratch import Scratch, is_full
from triggers.heavy.system import SHARE, memory_of_machine
from triggers.heavy.watch import MIB, Watch

log = logging.getLogger(__name__)

TICK = 0.1
"""Seconds between two looks at a running task. Its end is noticed at once."""
FULL = 0.5
"""Share of its memory beyond which an idle process is not used again: something was not given back."""


class HeavyExecutor:
    """core.execution.Apart: the claim is sent to a process, and its ending comes back."""

    def __init__(
        self,
        inner: Executor,
        settings: wiring.Settings,
        slots: int,
        scratch: Scratch,
        nursery: Nursery,
    ) -> None:
        self.inner = inner
        self.settings = settings
        self.slots = slots
        self.memory = memory_of(settings, slots)
        self.scratch = scratch
        self.nursery = nursery
        self._idle: list[TaskProcess] = []
        self._busy: set[TaskProcess] = set()
        self._numbers = count(1)
        self._lock = threading.Lock()
        self._stopped = False
        self._was_full = False

    @property
    def session(self) -> UUID:
        return self.inner.session

    def run(self, claim: Claim) -> Ending | None:
        """What kills the task's process becomes an error in words, and its attempt counts."""
        match self.inner.assigned(claim):
            case (work, stage):
                timeout = work.run.plan[claim.key.stage].timeout
                act = partial(self._apart, stage, timeout, claim)
                return self.inner.watched(work, stage, claim, act)
            case ending:
                return ending

    def _apart(self, stage: AnyStage, timeout: timedelta, claim: Claim) -> Ending | None:
        try:
            with self._process() as process:
                watch = Watch(process, claim, timeout, self.inner.held)
                ending = self._watched(process, claim, watch)
        except CoreMachineError as error:
            ending = self._ended_by(error, stage.retry, claim)
        return self._judged(ending, stage, claim)

    def _watched(self, process: TaskProcess, claim: Claim, watch: Watch) -> Ending | None:
        try:
            if not process.tasks:  # starting it may have taken a while of the lease
                self.inner.store.renew(claim, self.session, 0.0, "")
            process.send(Run(claim))
            while True:
                match process.hear(TICK):
                    case Ended(ending):
                        return ending
                    case Renewed():
                        watch.renew()
                    case Carried(moved):
                        self._moved(moved)
                    case Logged(line):
                        _keep(line)
                        watch.look()  # or a task that talks without end would never be looked at
                    case _:
                        watch.look()
        except CoreMachineError as error:
            process.kill()
            if isinstance(error, ProcessDied):
                error = watch.understood(error)
            error.add_note(process.trace())
            raise error from None

    def _moved(self, moved: Moved) -> None:
        mark, tell = current_task(), self.inner.watch.moved
        if mark is not None and tell is not None:
            tell(mark.job_type, moved)

    def _ended_by(self, error: CoreMachineError, retry: Retry, claim: Claim) -> Ending:
        if self._stopped:
            return Released()
        log.warning("task %s, attempt %d: %s", claim.key, claim.attempt, error)
        ending = ending_of(error, retry, claim)
        if isinstance(ending, Again | Failed):
            trace = "".join(getattr(error, "__notes__", ()))
            return replace(ending, error=replace(ending.error, trace=trace))
        return ending

    def _judged(self, ending: Ending | None, stage: AnyStage, claim: Claim) -> Ending | None:
        """A task that needs too much memory twice will need it always; what no process can import stays so."""
        if not isinstance(ending, Again):
            return ending
        if ending.error.code == UnknownJobType.code:
            return Failed(described(self._not_importable(stage)))
        if ending.error.code != OutOfMemory.code:
            return ending
        limit = f"; one task may use {self.memory // MIB} MiB (CM_HEAVY_MEMORY_MB)"
        error = replace(ending.error, message=ending.error.message + limit)
        again = self._was_too_much_before(claim)
        return Failed(error) if again else replace(ending, error=error)

    def _was_too_much_before(self, claim: Claim) -> bool:
        try:
            before = self.inner.store.error_before(claim)
        except ServiceUnavailable:
            return False  # the stage's attempts run out in any case
        return before is not None and before.code == OutOfMemory.code

    def _not_importable(self, stage: AnyStage) -> NotImportable:
        module = stage.handler.__module__
        return NotImportable(
            f"The process for heavy tasks finds no job with the stage {stage.name!r} in the packages {self.settings.jobs!r}: "
            f"{module} must be a module that can be imported by this name, in a package that CM_JOBS names"
        )

    # processes

    @contextmanager
    def _process(self) -> Generator[TaskProcess]:
        """A process of this task alone. It is used again only if the task left it in order."""
        process = self._taken()
        fit = False
        try:
            yield process
            fit = True
        finally:
            self._give_back(process, fit=fit)

    def _taken(self) -> TaskProcess:
        process = self._idle_one()
        if process is None:
            process = self._started()
        with self._lock:
            self._busy.add(process)
        if self._stopped:
            process.kill()
        return process

    def _idle_one(self) -> TaskProcess | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                process = self._idle.pop()
            if process.alive:
                return process
            process.end()

    def _started(self) -> TaskProcess:
        folder = self.scratch.room(f"heavy-{next(self._numbers)}")
        scratch = folder / "scratch"
        scratch.mkdir()
        begin = Begin(self.settings, self.session, folder, scratch, self.memory)
        return TaskProcess(self.nursery.fork(), begin)

    def _give_back(self, process: TaskProcess, *, fit: bool) -> None:
        process.tasks += 1
        if fit:
            process.tidy()
            fit = process.tasks < self.settings.heavy_tasks and process.memory < FULL * self.memory
        with self._lock:
            self._busy.discard(process)
            fit = fit and not self._stopped and len(self._idle) < self.slots
            if fit:
                self._idle.append(process)
        if not fit:
            process.end()

    def fit(self) -> bool:
        full = is_full(self.scratch.folder)
        if full and not self._was_full:
            log.warning(
                "the disk for temporary files is full: no heavy task is taken until it is not"
            )
        self._was_full = full
        return not full

    def warm(self) -> None:
        threading.Thread(target=self._warm, name="warm", daemon=True).start()

    def _warm(self) -> None:
        for _ in range(self.slots):
            try:
                self._give_back(self._started(), fit=True)
            except CoreMachineError as error:
                log.warning("%s; the first task tries again", error)
                return

    def stop(self) -> None:
        """Kill what still runs, and leave no file behind."""
        with self._lock:
            self._stopped = True
            busy, idle = list(self._busy), self._idle
            self._idle = []
        for process in busy:
            process.kill()
        for process in idle:
            process.end()
        self.nursery.close()


def _keep(line: Line) -> None:
    mark = current_task()
    if mark is not None and mark.keep is not None:
        mark.keep(mark, line)


def memory_of(settings: wiring.Settings, slots: int) -> int:
    """Bytes that one task may use: what the setting says, or an equal share of most of the machine's."""
    if settings.heavy_memory_mb is not None:
        return settings.heavy_memory_mb * MIB
    return int(memory_of_machine() * SHARE / max(slots, 1))
