"""The nursery: a small process of one thread that has imported every job, and forks the processes that run them.

A fork is ready in a tenth of the time that a new interpreter takes, and shares what was imported. The
nursery outlives its worker by a moment: it kills what the worker has left, and removes its temporary files.
"""

from __future__ import annotations

import gc
import logging
import os
import selectors
import signal
import socket
import struct
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

from core.registry import discover
from triggers.heavy import child, scratch, system

NUMBER = struct.Struct("!i")
TRACE = b"t"


def main(control: int, jobs: str, folder: str) -> None:
    """Fork whenever the worker asks, until it is gone."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the worker decides when its tasks stop
    system.adopt_orphans()
    # A library that starts threads when it is imported would make forking unsafe.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # noqa: TID251 - for the library, not for us
    nursery = Nursery(socket.socket(fileno=control), jobs)
    nursery.serve()
    nursery.end()
    scratch.remove(Path(folder))


class Nursery:
    """Answers three things: the worker's orders, its wishes about one process, and the end of processes."""

    def __init__(self, control: socket.socket, jobs: str) -> None:
        self.control = control
        self.jobs = jobs
        self._imported = False
        self.leases: dict[int, socket.socket] = {}
        self.selector = selectors.DefaultSelector()
        self._woken, self._waker = socket.socketpair()
        for end in (self._woken, self._waker):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, _heard)
        signal.set_wakeup_fd(self._waker.fileno())
        self._watch(control, self._order)
        self._watch(self._woken, self._reap)

    def _watch(self, end: socket.socket, act: Callable[[], bool]) -> None:
        self.selector.register(end, selectors.EVENT_READ, act)

    def serve(self) -> None:
        while all(key.data() for key, _ in self.selector.select()):
            pass

    def end(self) -> None:
        """The worker is gone: so is everything that it had begun."""
        for pid in self.leases:
            _kill(pid)
        with suppress(ChildProcessError):
            while True:
                os.wait()

    def _order(self) -> bool:
        data, files, _, _ = socket.recv_fds(self.control, 1, 2)
        if data:
            self._import_jobs()
            self._fork(*files)
        return bool(data)

    def _import_jobs(self) -> None:
        """Once, when the first task comes: what is imported here stays shared with every fork."""
        if self._imported:
            return
        self._imported = True
        logging.disable()  # what is wrong with a job's module is said by the worker
        for name in self.jobs.split(","):
            with suppress(ImportError):
                discover(import_module(name.strip()))
        logging.disable(logging.NOTSET)
        gc.collect()
        gc.freeze()

    def _fork(self, line: int, lease: int) -> None:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become_task(parent, line, lease)
        os.close(line)
        with suppress(OSError):
            os.setpgid(pid, pid)
        end = self.leases[pid] = socket.socket(fileno=lease)
        self._watch(end, partial(self._heed, pid))
        _say(end, pid)

    def _become_task(self, parent: int, line: int, lease: int) -> NoReturn:
        code = 1
        try:
            os.setpgid(0, 0)
            system.die_with(parent)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for end in (self.control, self._woken, self._waker, *self.leases.values()):
                end.close()
            self.selector.close()
            os.close(lease)
            child.serve(Connection(line))
            code = 0
        except BaseException:  # noqa: BLE001 - nobody above can be told
            traceback.print_exc()
        finally:
            os._exit(code)

    def _heed(self, pid: int) -> bool:
        """The worker asks what the process is doing, or lets it go."""
        lease = self.leases.get(pid)
        if lease is None:  # it has ended in the same moment
            return True
        try:
            asked = lease.recv(1)
        except OSError:
            asked = b""
        if asked == TRACE:
            os.kill(pid, signal.SIGUSR1)
        else:
            self.selector.unregister(lease)
            _kill(pid)
        return True

    def _reap(self) -> bool:
        """Say how processes ended. Only here is one taken off the system's books, so a number is never another's."""
        with suppress(BlockingIOError):
            while self._woken.recv(64):
                pass
        while pid := _ended():
            if pid in self.leases:
                _kill(pid)  # whatever it had started, before its number is free
            _, status = os.waitpid(pid, 0)
            if pid in self.leases:
                self._close(self.leases.pop(pid), os.waitstatus_to_exitcode(status))
        return True

    def _close(self, lease: socket.socket, code: int) -> None:
        with suppress(KeyError):
            self.selector.unregister(lease)
        _say(lease, code)
        lease.close()


def _heard(number: int, frame: object) -> None:
    """Being called is all that matters: the wake-up descriptor has the news."""


def _say(lease: socket.socket, number: int) -> None:
    with suppress(OSError):
        lease.sendall(NUMBER.pack(number))


def _kill(pid: int) -> None:
    """The process and all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _ended() -> int:
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return 0
    return found.si_pid if found else 0
