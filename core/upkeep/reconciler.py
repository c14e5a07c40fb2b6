"""The reconciler: finds what died, was lost or forgotten, and puts it right. Part of the algorithm, not an add-on."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from core.control.desk import Control
from core.errors import ServiceUnavailable
from core.machine import CoreMachine
from core.ports import Limits, Queue, Repairs

log = logging.getLogger(__name__)


class Reconciler:
    """Any number may run; each round is idempotent and bounded."""

    def __init__(self, machine: CoreMachine, queue: Queue, limits: Limits | None = None) -> None:
        self.machine = machine
        self.queue = queue
        self.limits = limits or Limits()
        self.control = Control(machine)

    def round(self) -> Repairs:
        began = time.monotonic()
        repairs = self.machine.store.repair(self.limits)
        repairs = replace(
            repairs,
            closed=self.machine.repair_stages(),
            steered=self.control.repair(),
            expired=self.machine.expire(),
            admitted=self.machine.admitter.round(),
        )
        dead = self.queue.collect_dead()
        self.queue.relay()
        self.machine.watch.meter.repaired(repairs, dead, time.monotonic() - began)
        if repairs.total or dead:
            log.info("repaired: %s, dead letters read: %d", repairs, dead)
        return repairs


class Periodic:
    """Calls something every so often in a thread of its own, and survives services that are away."""

    def __init__(self, name: str, act: Callable[[], object], every: float) -> None:
        self.act = act
        self.every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> Periodic:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stop.wait(self.every):
            try:
                self.act()
            except ServiceUnavailable as error:
                log.warning("%s: %s", self._thread.name, error)
            except Exception:
                log.exception("%s failed", self._thread.name)
