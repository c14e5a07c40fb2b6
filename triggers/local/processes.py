"""Background programs that outlive the command that started them, and are stopped only while they are still the same."""

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import ServiceUnavailable

# The shell makes the program its own session and init's child, writes nothing to our output, and tells its pid.
DETACH = 'setsid "$@" </dev/null >>"$0" 2>&1 & echo $!'


@dataclass(frozen=True)
class Background:
    """One program in the background, known by its pid and the moment that pid began to exist."""

    folder: Path
    name: str

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def running(self) -> bool:
        with self._handle() as handle:
            return handle is not None

    def start(
        self, command: Sequence[str | Path], settings: Mapping[str, str] | None = None
    ) -> None:
        """Start `command` in its own session, with `settings` added to the environment."""
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = [f"{name}={value}" for name, value in (settings or {}).items()]
        shell = [
            "/bin/sh",
            "-c",
            DETACH,
            str(self.log),
            "/usr/bin/env",
            *environment,
            *map(str, command),
        ]
        started = subprocess.run(shell, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
        pid = int(started.stdout)
        self._pid_file.write_text(f"{pid} {began(pid)}")

    def stop(self, patience: float = 30) -> bool:
        """Ask it to end, wait, then end it. False if it was not running."""
        with self._handle() as handle:
            if handle is not None:
                signal.pidfd_send_signal(handle, signal.SIGTERM)
                if not _ended(handle, patience):
                    self._kill(handle)
        self._pid_file.unlink(missing_ok=True)
        return handle is not None

    def kill(self) -> bool:
        """End it and its children at once. False if it was not running."""
        with self._handle() as handle:
            if handle is not None:
                self._kill(handle)
        self._pid_file.unlink(missing_ok=True)
        return handle is not None

    def wait_until(self, ready: Callable[[], bool], timeout: float = 120) -> None:
        """Return once `ready()`; raise with the end of the log if the program ends or the time is over."""
        deadline = time.monotonic() + timeout
        while not ready():
            if not self.running:
                raise ServiceUnavailable(
                    f"{self.name} ended right after its start:\n{tail(self.log)}"
                )
            if time.monotonic() > deadline:
                raise ServiceUnavailable(
                    f"{self.name} did not get ready in {timeout:.0f} seconds:\n{tail(self.log)}"
                )
            time.sleep(0.05)

    @property
    def _pid_file(self) -> Path:
        return self.folder / f"{self.name}.pid"

    @property
    def _pid(self) -> int:
        return int(self._pid_file.read_text().split()[0])

    @contextlib.contextmanager
    def _handle(self) -> Generator[int | None]:
        """A handle on exactly the process that was started; None once it has ended, whoever has its pid now."""
        try:
            pid, moment = self._pid_file.read_text().split()
            handle = os.pidfd_open(int(pid))
        except (FileNotFoundError, ProcessLookupError, ValueError):
            yield None
            return
        try:
            # Asked only now: the handle keeps the pid from changing hands between the question and a signal.
            yield handle if began(int(pid)) == moment and not _ended(handle, 0) else None
        finally:
            os.close(handle)

    def _kill(self, handle: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)  # its children; it leads a session of its own
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        _ended(handle, 10)


def began(pid: int) -> str | None:
    """When the process with this pid started, in clock ticks since boot; None if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return stat.rpartition(")")[2].split()[19]


def tail(log: Path, lines: int = 15) -> str:
    """The end of a log file."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def _ended(handle: int, timeout: float) -> bool:
    poller = select.poll()
    poller.register(handle, select.POLLIN)
    return bool(poller.poll(timeout * 1000))
