"""The worker's side of the nursery: starts it when first needed, and has it fork."""

from __future__ import annotations

import multiprocessing
import os
import select
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from core.errors import ServiceUnavailable
from triggers.heavy.forks import NUMBER, TRACE

PATIENCE = 60.0
"""Seconds that importing every job may take."""
LEAVE = 5.0
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""A library that starts threads when it is imported would make forking unsafe."""
PROGRAM = "import sys; sys.path[:] = {path!r}; from triggers.heavy.forks import main; main({control}, {jobs!r}, {folder!r})"


class Lease:
    """The worker's hold on one process: letting go of it kills the process."""

    def __init__(self, end: socket.socket, line: Connection) -> None:
        self.line = line
        self._end = end
        self.pid = self._number(PATIENCE) or 0
        self._code: int | None = None

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
        self._program: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

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
            self._start()
        assert self._control is not None
        return self._control

    def _start(self) -> None:
        self._control, theirs = socket.socketpair()
        path = [str(Path(each).resolve()) for each in sys.path]
        program = PROGRAM.format(
            path=path, control=theirs.fileno(), jobs=self.jobs, folder=str(self.folder)
        )
        with theirs:
            self._program = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-c", program],
                pass_fds=[theirs.fileno()],
                env=ONE_THREAD | os.environ,  # noqa: TID251 - the same environment, for a part of this program
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._control.settimeout(PATIENCE)
        if not self._control.recv(1):
            self._close()
            raise ConnectionError("it ended at its start")

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
