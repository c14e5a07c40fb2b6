"""The worker's side of the nursery: starts it when first needed, and has it fork."""

from __future__ import annotations

import multiprocessing
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

from core.errors import ServiceUnavailable
from triggers.heavy.forks import NUMBER, TRACE, main

PATIENCE = 60.0
"""Seconds that importing every job may take."""
LEAVE = 5.0
PROGRAM = "import sys; sys.path[:] = {path!r}; from triggers.heavy.forks import main; main({control}, {jobs!r}, {folder!r})"


class Program(Protocol):
    """What is known of the nursery, however it was started."""

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def kill(self) -> None: ...


class Forked:
    """A fork of this process, with the manners of subprocess.Popen."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        end = time.monotonic() + (PATIENCE if timeout is None else timeout)
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("nursery", end)
            time.sleep(0.01)
        return code

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


class Lease:
    """The worker's hold on one process: letting go of it kills the process."""

    def __init__(self, end: socket.socket, line: Connection) -> None:
        self.line = line
        self._end = end
        self._code: int | None = None
        self.pid = self._number(PATIENCE) or 0
        if not self.pid:
            self.close()
            raise ServiceUnavailable(
                "The process that starts heavy tasks ended; it is started anew"
            )

    def ask_trace(self) -> None:
        """Have the process write down what each of its threads is doing."""
        with suppress(OSError):
            self._end.send(TRACE)

    def kill(self) -> None:
        with suppress(OSError):
            self._end.shutdown(socket.SHUT_WR)

    def code(self, seconds: float) -> int | None:
        """Its exit code, negative for a signal; None when it is not known within that time."""
        if self._code is None:
            self._code = self._number(seconds)
        return self._code

    @property
    def over(self) -> bool:
        return bool(select.select([self._end], [], [], 0)[0])

    def close(self) -> None:
        self.kill()
        self.line.close()
        self._end.close()

    def _number(self, seconds: float) -> int | None:
        self._end.settimeout(seconds)
        with suppress(OSError):
            data = self._end.recv(NUMBER.size, socket.MSG_WAITALL)
            if len(data) == NUMBER.size:
                return NUMBER.unpack(data)[0]
        return None


class Nursery:
    """Forks processes for tasks. Should it die, the next fork starts another."""

    def __init__(self, jobs: str, folder: Path) -> None:
        self.jobs = jobs
        self.folder = folder
        self._lock = threading.Lock()
        self._program: Program | None = None
        self._control: socket.socket | None = None

    def begin(self) -> None:
        """Start it as a fork of this process, which must not have a thread yet: that costs nothing."""
        if threading.active_count() == 1:
            self._start(self._forked)

    def fork(self) -> Lease:
        ours, theirs = multiprocessing.Pipe()
        hold, held = socket.socketpair()
        try:
            with self._lock:
                socket.send_fds(self._running(), [TRACE], [theirs.fileno(), held.fileno()])
        except OSError as error:
            ours.close()
            hold.close()
            raise ServiceUnavailable(
                f"The process that starts heavy tasks does not answer ({error}); it is started anew"
            ) from error
        finally:
            theirs.close()
            held.close()
        return Lease(hold, ours)

    def _running(self) -> socket.socket:
        if self._program is not None and self._program.poll() is not None:
            self._close()
        if self._control is None:
            self._start(self._spawned)
        assert self._control is not None
        return self._control

    def _start(self, how: Callable[[int], Program]) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            self._program = how(theirs.fileno())

    def _spawned(self, control: int) -> Program:
        path = [str(Path(each).resolve()) for each in sys.path]
        program = PROGRAM.format(
            path=path, control=control, jobs=self.jobs, folder=str(self.folder)
        )
        return subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-c", program],
            pass_fds=[control],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _forked(self, control: int) -> Program:
        pid = os.fork()
        if pid:
            return Forked(pid)
        try:
            assert self._control is not None
            self._control.close()
            os.setsid()
            main(control, self.jobs, str(self.folder))
        finally:
            os._exit(0)

    def close(self) -> None:
        """Its processes are killed, and it ends."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._program is not None:
            try:
                self._program.wait(LEAVE)
            except subprocess.TimeoutExpired:
                self._program.kill()
                self._program.wait()
            self._program = None
