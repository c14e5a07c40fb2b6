"""Asks every component at once how it is doing, and waits for none of them longer than a deadline."""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, wait
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel

from core.blobs import Zone
from core.errors import CoreMachineError, ScratchFull
from triggers.heavy.scratch import is_full
from triggers.http.services import Probe, Services

log = logging.getLogger(__name__)

VITAL = frozenset({"database"})
NEEDED = VITAL | {"scratch"}
LITTLE = 1024**3
"""Bytes of scratch disk under which large blobs may not fit any more."""


class Verdict(StrEnum):
    """How well something is."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class Component(BaseModel):
    """How one component is, and how long it took to say so."""

    status: Verdict
    ms: float
    detail: str


class Health(BaseModel):
    """How everything is: unhealthy only when nothing can work."""

    status: Verdict
    components: dict[str, Component]

    def outline(self) -> Health:
        """Without the details."""
        hidden = {n: c.model_copy(update={"detail": ""}) for n, c in self.components.items()}
        return self.model_copy(update={"components": hidden})


class Degraded(Exception):
    """A probe's way to say that its component works, but not as it should."""


class Checkup:
    """Probes run in threads of their own. One that hangs is not started again until it has returned."""

    def __init__(self, probes: Mapping[str, Probe], deadline: float) -> None:
        self.probes = probes
        self.deadline = deadline
        self._running: dict[str, Future[Component]] = {}
        self._lock = threading.Lock()

    def run(self, names: Iterable[str] | None = None) -> Health:
        """Ask the named components, or all."""
        with self._lock:
            futures = {name: self._asked(name) for name in names or self.probes}
        wait(futures.values(), timeout=self.deadline)
        components = {name: self._answer(future) for name, future in futures.items()}
        return Health(status=_overall(components), components=components)

    def unready(self) -> str | None:
        """Why no work should come here: the database does not answer, or no temporary file has room."""
        found = self.run(NEEDED & self.probes.keys()).components
        for name, component in found.items():
            if component.status is Verdict.UNHEALTHY or (
                name in VITAL and component.status is not Verdict.HEALTHY
            ):
                return f"{name}: {component.detail}"
        return None

    def _asked(self, name: str) -> Future[Component]:
        running = self._running.get(name)
        if running is None or running.done():
            running = self._running[name] = Future[Component]()
            # A daemon, so that a component that never answers cannot keep the process from ending.
            threading.Thread(
                target=_examine,
                args=(self.probes[name], running),
                name=f"{name}-health",
                daemon=True,
            ).start()
        return running

    def _answer(self, future: Future[Component]) -> Component:
        if future.done():
            return future.result()
        late = f"no answer within {self.deadline:g} s"
        return Component(status=Verdict.UNHEALTHY, ms=self.deadline * 1000, detail=late)


def _examine(probe: Probe, answer: Future[Component]) -> None:
    began = time.monotonic()
    try:
        detail, status = probe(), Verdict.HEALTHY
    except Degraded as error:
        detail, status = str(error), Verdict.DEGRADED
    except CoreMachineError as error:
        log.warning("unhealthy: %s", error)
        detail, status = str(type(error).__doc__), Verdict.UNHEALTHY
    except Exception:  # a component may fail in ways nobody thought of; that too is an answer
        log.exception("a health check failed")
        detail, status = "the check itself failed", Verdict.UNHEALTHY
    ms = round((time.monotonic() - began) * 1000, 1)
    answer.set_result(Component(status=status, ms=ms, detail=detail))


def _overall(components: Mapping[str, Component]) -> Verdict:
    if any(components[name].status is Verdict.UNHEALTHY for name in VITAL & components.keys()):
        return Verdict.UNHEALTHY
    if any(component.status is not Verdict.HEALTHY for component in components.values()):
        return Verdict.DEGRADED
    return Verdict.HEALTHY


def scratch_disk(folder: Path | None) -> Probe:
    """Room for the temporary files of tasks."""

    def probe() -> str:
        try:
            if is_full(place := folder or Path(tempfile.gettempdir())):
                raise ScratchFull("no room for temporary files is left")
            free = shutil.disk_usage(place).free
        except OSError:
            raise Degraded("the folder for temporary files cannot be reached") from None
        room = f"{free / LITTLE:.1f} GiB free for temporary files"
        if free < LITTLE:
            raise Degraded(room)
        return room

    return probe


def checkup(services: Services) -> Checkup:
    """The components of every installation, and those the composition root adds."""
    insights = services.insights

    def database() -> str:
        if missing := insights.missing_migrations():
            raise Degraded(f"not migrated yet: {', '.join(missing)}")
        return "answers, and is migrated"

    def blobs() -> str:
        return f"{len(services.blobs.containers(Zone.BRONZE))} containers in bronze"

    def queue() -> str:
        return f"{sum(queue.waiting for queue in insights.queues())} tasks due"

    def workers() -> str:
        online = len(insights.workers())
        if not online:
            raise Degraded("no worker is online")
        return f"{online} online"

    probes = {"database": database, "blobs": blobs, "queue": queue, "workers": workers}
    return Checkup({**probes, **services.checks}, services.health_deadline)
