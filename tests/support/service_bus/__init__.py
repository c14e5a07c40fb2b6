"""Azure Service Bus without the cloud: a loopback emulator for the real SDK, with faults on demand.

    with service_bus_emulator(lock_seconds=1) as bus:
        adapter = ServiceBus(bus.connection_string)
        bus.faults(lose=0.05, duplicate=0.2)
        bus.counts("tasks-light").active

Messages live in memory and are gone when it stops. Sessions, topics, deferral and duplicate detection are left out.
A test module that uses it says `pytestmark = pytest.mark.filterwarnings(SDK_LEAVES_SOCKETS)`.
"""

import gc
import json
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from tests.support.service_bus.broker import Counts
from tests.support.service_bus.faults import Faults

__all__ = ["SDK_LEAVES_SOCKETS", "Counts", "Emulator", "Faults", "service_bus_emulator", "several"]

M = TypeVar("M")
ROOT = Path(__file__).parents[3]

UNCLOSED = "unclosed <socket"

# The SDK leaves the socket of a closed or broken connection to the garbage collector.
SDK_LEAVES_SOCKETS = f"ignore:{UNCLOSED}:ResourceWarning"


class Emulator:
    """The emulator in a process of its own, on the same ports whenever it is started again."""

    def __init__(self, **options: float) -> None:
        self._options = options
        self._port = self._control_port = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def connection_string(self) -> str:
        return (
            f"Endpoint=sb://127.0.0.1:{self._port};SharedAccessKeyName=RootManageSharedAccessKey;"
            "SharedAccessKey=emulator;UseDevelopmentEmulator=true;"
        )

    def start(self) -> None:
        options = self._options | {"port": self._port, "control_port": self._control_port}
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        command = [sys.executable, "-m", __name__, "--until-eof", *flags]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
        assert self._process.stdout is not None
        ports = self._process.stdout.readline().split()
        if not ports:
            raise RuntimeError(f"the emulator did not start: exit code {self._process.wait()}")
        self._port, self._control_port = map(int, ports)

    def kill(self) -> None:
        """End the process as a power cut would. Every message is lost."""
        if self._process:
            self._process.kill()
            with self._process:
                self._process = None

    def faults(self, queue: str | None = None, **faults: Any) -> None:
        """Set what goes wrong from now on, on one queue or on all; without arguments nothing does."""
        self._tell(do="faults", queue=queue, faults=asdict(Faults(**faults)))

    def configure(self, queue: str, **options: float) -> None:
        """Change `lock_seconds` or `max_delivery` of one queue."""
        self._tell(do="configure", queue=queue, options=options)

    def counts(self, queue: str) -> Counts:
        return Counts(**self._tell(do="counts", queue=queue))

    def harm(self) -> dict[str, int]:
        """How many messages were "lost" and "duplicated" since the start."""
        return self._tell(do="harm")

    def expire_locks(self, queue: str) -> None:
        """Let every lock of a queue run out now, before its receiver expects it."""
        self._tell(do="expire_locks", queue=queue)

    def pass_time(self, queue: str, seconds: float) -> None:
        """Let so much time pass for what is scheduled and locked in a queue; its clients notice nothing."""
        self._tell(do="pass_time", queue=queue, seconds=seconds)

    def connections(self) -> int:
        return int(self._tell(do="connections")["open"])

    def disconnect(self) -> None:
        """Cut every client off; they may connect again."""
        self._tell(do="disconnect")

    def _tell(self, **command: Any) -> dict[str, Any]:
        address = ("127.0.0.1", self._control_port)
        with socket.create_connection(address, 120) as line, line.makefile("rw") as stream:
            stream.write(json.dumps(command) + "\n")
            stream.flush()
            return json.loads(stream.readline())


@contextmanager
def service_bus_emulator(**options: float) -> Iterator[Emulator]:
    """Run the emulator. Options as on its command line: lock_seconds, max_delivery, max_message_kb, seed."""
    emulator = Emulator(**options)
    emulator.start()
    try:
        yield emulator
    finally:
        emulator.kill()
        _collect_sockets()


def several(receive: Callable[[int], list[M]], count: int) -> list[M]:
    """So many messages: the SDK hands over what it has 0.2 seconds after the first, which may not be all."""
    got: list[M] = []
    while len(got) < count:
        more = receive(count - len(got))
        assert more, f"only {len(got)} of {count} messages came"
        got += more
    return got


def _collect_sockets() -> None:
    """Keep what the SDK left behind from being found in the middle of somebody else's test."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", UNCLOSED, ResourceWarning)
        gc.collect()
