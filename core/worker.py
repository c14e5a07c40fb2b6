"""A worker: slots that claim and run tasks, and a heartbeat that says the process lives."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from core.crashpoints import crashpoint
from core.errors import BadResult, JobNotFound, ServiceUnavailable
from core.execution import Apart, Execution
from core.executor import Executor, described
from core.held import Held
from core.machine import CoreMachine
from core.patience import pause, persist
from core.ports import Queue, Worker
from core.queues import QueueName
from core.tasks import Claim, Failed, Outcome, Released, TaskKey
from core.watching.watch import Flushed

log = logging.getLogger(__name__)

WAIT = 1.0
"""How long an idle slot waits before it looks again without having been woken."""
SETTLED = 1.0
"""Seconds after which a claim that no slot has heard of is surely one whose answer was lost."""
WRITTEN = 2.0
"""How often is written down what running tasks log and move."""
LEAVE = 2.0
"""Seconds that a slot has to give back the task whose process was killed, when the worker stops."""
FLUSH_AFTER = 0.05
"""Seconds after which finished tasks are written down even though others of the batch still run."""


class Pace:
    """How many tasks to claim at once: as many as take about a tenth of a second."""

    def __init__(self, target: float = 0.1, largest: int = 500) -> None:
        self.target = target
        self.largest = largest
        self.size = min(8, largest)

    def learn(self, count: int, seconds: float) -> None:
        fitting = int(self.target * count / max(seconds, 1e-6))
        self.size = max(1, min(fitting, self.size * 4, self.largest))


class TaskRunner:
    """Runs claimed tasks in order, writing outcomes down in batches, and closes what they finish."""

    def __init__(self, machine: CoreMachine, executor: Execution, held: Held) -> None:
        self.machine = machine
        self.executor = executor
        self.held = held

    def run(self, claims: Sequence[Claim], patience: float = 0.5) -> None:
        """Run the claims. Those not begun when patience ends, or the worker stops, are given back."""
        self.held.add(claims)
        done: list[Outcome] = []
        started = flushed = time.monotonic()
        try:
            for n, claim in enumerate(claims):
                if self.held.stopping.is_set() or (n and time.monotonic() - started > patience):
                    done += [Outcome(rest, Released()) for rest in claims[n:]]
                    break
                done += self._run_one(claim)
                if done and time.monotonic() - flushed > FLUSH_AFTER:
                    self.settle(done)
                    done, flushed = [], time.monotonic()
            if done:
                self.settle(done)
        finally:
            self.held.remove(claims)

    def _run_one(self, claim: Claim) -> list[Outcome]:
        ending = self.executor.run(claim)
        if ending is None:  # a planning task has written its own end; its stage may be empty
            self.held.remove([claim])
            persist(lambda: self.machine.close(claim.key.run, claim.key.stage), self.held.stopping)
            return []
        return [Outcome(claim, ending)]

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Write outcomes down, however long that takes, and close the stages they may have finished."""
        crashpoint("complete.before")
        if (scribe := self.machine.watch.scribe) is not None:
            scribe.ended(outcome.claim for outcome in outcomes)
        self._write(outcomes)
        self.held.remove([outcome.claim for outcome in outcomes])
        touched: dict[tuple[int, int], set[int]] = defaultdict(set)
        for outcome in outcomes:
            key = outcome.claim.key
            touched[key.run, key.stage].add(key.idx)
            if isinstance(outcome.ending, Failed):
                persist(lambda key=key: self._stage_failed(key.run, key.stage), self.held.stopping)
        for (run, stage), near in touched.items():
            persist(
                lambda run=run, stage=stage, near=near: self.machine.close(
                    run, stage, frozenset(near)
                )
            )

    def _write(self, outcomes: Sequence[Outcome]) -> None:
        session = self.executor.session
        try:
            persist(lambda: self.machine.store.settle(session, outcomes), self.held.stopping)
        except BadResult as error:  # one value the database cannot keep must not cost the others
            if len(outcomes) == 1:
                self._write([Outcome(outcomes[0].claim, Failed(described(error)))])
            else:
                for outcome in outcomes:
                    self._write([outcome])

    def _stage_failed(self, run: int, stage: int) -> None:
        with suppress(JobNotFound):  # its job was deleted meanwhile
            self.machine.stage_failed(self.machine.store.run(run), stage)


class WorkerProcess:
    """One process: its session, its heartbeat, and a number of slots for each queue."""

    def __init__(
        self,
        machine: CoreMachine,
        queue: Queue,
        worker: Worker,
        slots: Mapping[QueueName, int],
        *,
        beat: float = 5.0,
        largest: int = 500,
        apart: Callable[[Executor], Apart] | None = None,
    ) -> None:
        """`apart` makes the place where tasks of the heavy queue run; without it they run here like all others."""
        self.machine = machine
        self.queue = queue
        self.worker = worker
        self.slots = slots
        self.beat = beat
        self.largest = largest
        self.held = Held()
        self.executor = Executor(machine, worker.session, self.held)
        self.runner = TaskRunner(machine, self.executor, self.held)
        self.apart = apart(self.executor) if apart and slots.get(QueueName.HEAVY) else None
        self._heavy = self.runner if self.apart is None else self._runner(self.apart)
        self._doubt = threading.Event()
        self._left = threading.Event()
        self._slots: list[threading.Thread] = []
        self._heart = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def _runner(self, execution: Execution) -> TaskRunner:
        return TaskRunner(self.machine, execution, self.held)

    def start(self) -> None:
        persist(lambda: self.machine.store.begin_session(self.worker), self.held.stopping)
        self._heart.start()
        if books := self.machine.watch.books:
            self._spawn(lambda: self._write_down(books), "scribe")
        for queue, count in self.slots.items():
            for n in range(count):
                self._spawn(lambda queue=queue: self._serve(queue), f"{queue}-{n}")
        if self.apart is not None and set(self.worker.queues) == {QueueName.HEAVY}:
            self.apart.warm()

    def _spawn(self, target: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._slots.append(thread)
        thread.start()

    def stop(self) -> None:
        """Claim nothing more; whoever calls `ctx.check()` is told."""
        self.held.stopping.set()
        self._doubt.set()
        self.queue.wake()

    def drain(self, grace: float) -> bool:
        """Stop claiming, let running tasks end or reach a safe point, give the rest back. True if all ended.

        The heart beats until the end, or a grace longer than a lease would cost what is still running.
        """
        self.stop()
        self._join(grace)
        ended = not self.held.snapshot()
        if self.apart is not None:
            self.apart.stop()
            self._join(LEAVE if not ended else 0.0)
        self._left.set()
        self._doubt.set()
        if self._heart.is_alive():
            self._heart.join(LEAVE)
        try:
            self._leave(list(self.held.snapshot().items()))
        except ServiceUnavailable as error:
            log.warning("could not say goodbye: %s; the reconciler will notice", error)
        return ended

    def _join(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        for thread in self._slots:
            thread.join(max(0.0, end - time.monotonic()))

    def _leave(self, left: Sequence[tuple[TaskKey, int]]) -> None:
        if left:
            log.warning("%d task(s) did not end in time; giving them back", len(left))
            self.machine.store.give_back(self.worker.session, left)
        self.machine.store.end_session(self.worker.session)

    def _serve(self, queue: QueueName) -> None:
        heavy = queue is QueueName.HEAVY
        runner = self._heavy if heavy else self.runner
        pace = Pace(largest=1 if heavy else self.largest)
        failures = 0
        while not self.held.stopping.is_set():
            try:
                self._turn(queue, pace, runner)
                failures = 0
            except Exception as error:
                failures += 1
                self._doubt.set()
                log.warning(
                    "slot of %s: %s",
                    queue,
                    error,
                    exc_info=not isinstance(error, ServiceUnavailable),
                )
                self.held.stopping.wait(pause(failures))

    def _turn(self, queue: QueueName, pace: Pace, runner: TaskRunner) -> None:
        if runner is not self.runner and self.apart is not None and not self.apart.fit():
            self.held.stopping.wait(WAIT)
            return
        crashpoint("claim.before")
        claims = self.queue.claim(queue, self.worker.session, pace.size, WAIT)
        if claims:
            crashpoint("claim.after")
            began = time.monotonic()
            runner.run(claims)
            pace.learn(len(claims), time.monotonic() - began)

    def _beat(self) -> None:
        while not self._left.is_set():
            if self._doubt.wait(self.beat):  # a claim may have been made whose answer was lost
                self._doubt.clear()
                self._left.wait(min(self.beat, SETTLED))
            try:
                if not self._left.is_set():
                    self.audit()
            except ServiceUnavailable as error:
                log.warning("heartbeat missed: %s", error)
                self._doubt.set()

    def _write_down(self, books: Sequence[Flushed]) -> None:
        """A worker that is killed loses what its tasks logged and moved since the last time."""
        while not self.held.stopping.wait(WRITTEN):
            for book in books:
                book.flush()
        for book in books:
            book.flush()

    def audit(self) -> None:
        """Tell the store we live, and settle differences between what it and we think we hold."""
        before = self.held.snapshot()
        owned = dict(self.machine.store.heartbeat(self.worker))
        self.held.lose(key for key, attempt in before.items() if owned.get(key) != attempt)
        now = self.held.snapshot()
        strays = [
            (key, attempt) for key, attempt in owned.items() if key not in before and key not in now
        ]
        if strays:
            given = self.machine.store.give_back(
                self.worker.session, strays, older=min(self.beat, SETTLED)
            )
            log.info("gave back %d task(s) that this process never heard it had claimed", given)
