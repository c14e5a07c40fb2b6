"""`python -m triggers.worker`: serves the HTTP app and runs tasks of any queue, until SIGTERM drains it."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from types import FrameType

from core.errors import CoreMachineError, ServiceUnavailable
from core.execution import Apart
from core.executor import Executor
from core.queues import QueueName
from core.upkeep.reconciler import Periodic
from core.worker import WorkerProcess, pause
from triggers import logs, wiring
from triggers.chores import chores
from triggers.heavy.executor import HeavyExecutor
from triggers.heavy.nursery import Nursery
from triggers.heavy.scratch import Scratch
from triggers.memory import few_arenas
from triggers.web_server import WebServer

log = logging.getLogger("coremachine.worker")

PATIENCE = 60.0
"""Seconds a starting worker waits for a database that is not up yet."""


def main(arguments: list[str] | None = None) -> int:
    """Run until told to stop. 0 when every running task ended or reached a safe point."""
    asked = _parser().parse_args(arguments)
    few_arenas()
    given = wiring.settings()
    logs.set_up(given.log_level, given.log_format)
    stop = _told_to_stop()
    scratch = Scratch.take(given.scratch)
    nursery = Nursery(given.jobs, scratch.folder)
    if QueueName.HEAVY in asked.queues:
        nursery.begin()
    tempfile.tempdir = str(scratch.folder)  # what a killed worker leaves, the next one finds
    try:
        _prepare(stop)
        services = wiring.shared(given.model_copy(update={"scratch": scratch.folder}))
        logs.set_up(given.log_level, given.log_format, services.machine.watch.tracer.carried)
        heavy = partial(
            HeavyExecutor, settings=given, slots=given.heavy_slots, scratch=scratch, nursery=nursery
        )
        return Service(services, asked, heavy).serve(stop)
    except CoreMachineError as error:
        log.error("%s", error)  # noqa: TRY400 - said to a person, without a traceback
        return 1
    finally:
        nursery.close()
        scratch.close()


def _told_to_stop() -> threading.Event:
    """Set by SIGTERM and SIGINT, from the first moment on that there is something to clean up."""
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    return stop


class Service:
    """One worker process: slots, repair, scheduler, relay, and the web app when it has a port."""

    def __init__(
        self,
        services: wiring.Services,
        asked: argparse.Namespace,
        heavy: Callable[[Executor], Apart],
    ) -> None:
        self.services = services
        self.asked = asked
        given = services.settings
        counts = {
            QueueName.JOBS: 1,
            QueueName.LIGHT: given.light_slots,
            QueueName.HEAVY: given.heavy_slots,
        }
        self.process = wiring.worker_process(
            services, "worker", {q: counts[q] for q in asked.queues}, heavy
        )

    def serve(self, stop: threading.Event) -> int:
        web = wiring.web_server(self.asked.host, self.asked.port) if self.asked.port else None
        self.process.start()
        if self.asked.metrics_port:
            meter = self.services.observability.meter
            meter.serve(self.asked.host, self.asked.metrics_port)
        periodic = [
            Periodic(chore.name, chore.act, chore.every).start() for chore in chores(self.services)
        ]
        self.services.pump.start()
        self._start_relay(stop)
        if web is not None:
            web.start()
        log.info(
            "serving queues %s as %s",
            ", ".join(self.asked.queues) or "(none)",
            self.process.worker.session,
        )
        while not stop.wait(1.0):
            pass  # a signal that another thread received is handled here, when this thread wakes up
        return self._stop(self.process, periodic, web)

    def _stop(
        self,
        process: WorkerProcess,
        periodic: Sequence[Periodic],
        web: WebServer | None,
    ) -> int:
        log.info(
            "stopping: no new tasks; running ones have %.0f s", self.services.settings.grace_seconds
        )
        end = time.monotonic() + self.services.settings.grace_seconds
        process.stop()
        if web is not None:
            web.stop()
        ended = process.drain(max(0.0, end - time.monotonic()))
        for chore in periodic:
            chore.stop()
        self.services.close()
        log.info("stopped")
        return 0 if ended else 1

    def _start_relay(self, stop: threading.Event) -> None:
        """Where messages are sent by an outbox, send them as soon as they are promised."""

        def relay() -> None:
            seen = -1
            while not stop.is_set():
                seen = self.services.bell.wait("outbox", seen, 0.5)
                try:
                    self.services.queue.relay()
                except ServiceUnavailable as error:
                    log.warning("relay: %s", error)
                    stop.wait(pause(3))

        if wiring.uses_service_bus():
            threading.Thread(target=relay, name="relay", daemon=True).start()


def _prepare(stop: threading.Event) -> None:
    """Wait for the database, and bring it up to date."""
    end, failures = time.monotonic() + PATIENCE, 0
    while not stop.is_set():
        try:
            for name in wiring.prepare(wiring.settings()):
                log.info("applied %s", name)
            return
        except ServiceUnavailable as error:
            if time.monotonic() > end:
                raise
            failures += 1
            log.warning("the database is not ready: %s", error)
            stop.wait(pause(failures))


def _queues(text: str) -> list[QueueName]:
    return [QueueName(name.strip()) for name in text.split(",") if name.strip()]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m triggers.worker",
        description="Run tasks of the named queues and, with a port, serve the HTTP app. Settings come from the environment.",
        epilog="example: DATABASE_URL=postgresql://... python -m triggers.worker --port 7071 --queues tasks-heavy",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument(
        "--port", type=int, default=0, help="port of the HTTP app; none is served without it"
    )
    parser.add_argument(
        "--metrics-port",
        type=int,
        default=0,
        help="port of the metrics alone, for a worker without the HTTP app, which has them too",
    )
    parser.add_argument(
        "--queues",
        type=_queues,
        default=[QueueName.HEAVY],
        help="comma separated: jobs, tasks-light, tasks-heavy (tasks-heavy); empty serves HTTP alone",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
