"""The host itself: serve requests, pump queues, fire timers, and drain when told to stop."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from triggers.devhost.http import http_app
from triggers.devhost.indexing import (
    Function,
    HttpFunction,
    QueueFunction,
    TimerFunction,
    functions_of,
)
from triggers.devhost.queues import Bus, QueuePump
from triggers.devhost.settings import (
    CannotStart,
    HostConfig,
    app_settings,
    check_identity,
    read_host_json,
)
from triggers.devhost.timers import run_timer
from triggers.devhost.worker import Worker

log = logging.getLogger(__name__)


async def serve(app: Path, address: tuple[str, int], open_bus: Callable[[], Bus]) -> None:
    """Run the app until SIGTERM or SIGINT, then finish what is running. A second signal kills."""
    config = read_host_json(app)
    settings = app_settings(app)
    check_identity(address[0])
    listener = _listen(address)
    worker = Worker(app)
    try:
        functions = functions_of(await worker.index(), settings)
        await _Host(functions, worker, config, _stop_on_signals()).run(listener, open_bus)
    finally:
        worker.stop()
    log.info("drained and stopped")


@dataclass(frozen=True)
class _Host:
    functions: Sequence[Function]
    worker: Worker
    config: HostConfig
    stopping: asyncio.Event

    async def run(self, listener: socket.socket, open_bus: Callable[[], Bus]) -> None:
        queues = [f for f in self.functions if isinstance(f, QueueFunction)]
        bus = open_bus() if queues else None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._serve_http(listener))
                for timer in self.functions:
                    if isinstance(timer, TimerFunction):
                        group.create_task(run_timer(timer, self.worker, self.stopping))
                if bus:
                    for queue in queues:
                        group.create_task(self._pump(queue, bus))
        finally:
            if bus:
                bus.close()

    async def _pump(self, function: QueueFunction, bus: Bus) -> None:
        options = self.config.extensions.service_bus
        await QueuePump(function, self.worker, bus, options).run(self.stopping)

    async def _serve_http(self, listener: socket.socket) -> None:
        over_http = [f for f in self.functions if isinstance(f, HttpFunction)]
        prefix = self.config.extensions.http.route_prefix.strip("/")
        web = http_app(over_http, self.worker, prefix)
        server = _Server(uvicorn.Config(web, log_level="warning", lifespan="off"))
        serving = asyncio.create_task(server.serve([listener]))
        log.info("serving %s", ", ".join(function.name for function in self.functions))
        await self.stopping.wait()
        log.info("stopping: finishing what is running")
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    """Leaves the signals to the host, which drains more than HTTP."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _listen(address: tuple[str, int]) -> socket.socket:
    try:
        return socket.create_server(address)
    except OSError as error:
        raise CannotStart(f"Cannot listen on {address[0]}:{address[1]}: {error.strerror}") from None


def _stop_on_signals() -> asyncio.Event:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop(received: signal.Signals) -> None:
        loop.remove_signal_handler(received)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    return stopping
