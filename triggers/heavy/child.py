"""The process that runs heavy tasks, one after another, with clients of its own."""

from __future__ import annotations

import faulthandler
import os
import signal
import tempfile
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue

from core.executor import Executor
from core.held import Held
from core.tasks import Claim
from core.watching.scribe import listen
from core.watching.watch import Watch
from triggers import logs, wiring
from triggers.heavy import system
from triggers.heavy.messages import Begin, Carried, Ended, Gone, Logged, Ready, Renewed, Run, Stop
from triggers.memory import few_arenas

CRASH = "crash.txt"
"""What the process was doing when it died, or was asked: in its folder."""


class Voice:
    """The threads of a task may report at once, but words must not mix."""

    def __init__(self, line: Connection) -> None:
        self._line = line
        self._lock = threading.Lock()

    def say(self, word: object) -> None:
        with self._lock:
            self._line.send(word)


def serve(line: Connection) -> None:
    """Run what the worker sends until the line ends."""
    begin: Begin = line.recv()
    _settle_in(begin)
    held, claims, voice = Held(), SimpleQueue[Claim](), Voice(line)
    given = begin.settings.model_copy(update={"scratch": begin.scratch})
    # The worker measures and traces the task, and keeps what it logs and moves: this process may die at any time.
    watch = Watch(
        keep=lambda mark, line: voice.say(Logged(line)),
        moved=lambda job_type, moved: voice.say(Carried(moved)),
    )
    machine = wiring.task_machine(given, watch)
    executor = Executor(machine, begin.session, held, renewed=lambda claim: voice.say(Renewed()))
    listener = threading.Thread(target=_listen, args=(line, held, claims), name="line", daemon=True)
    listener.start()
    voice.say(Ready())
    while True:
        claim = claims.get()
        held.add([claim])
        ending = executor.run(claim)
        held.remove([claim])
        voice.say(Ended(ending))


def _settle_in(begin: Begin) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave_to_the_worker)
    few_arenas()
    system.be_the_first_to_go()
    system.limit(begin.memory)
    _report_crashes(begin.folder / CRASH)
    tempfile.tempdir = str(begin.scratch)
    logs.set_up(begin.settings.log_level, begin.settings.log_format)
    listen()
    wiring.arm_crashes(begin.settings)


def _leave_to_the_worker(number: int, frame: object) -> None:
    """Not SIG_IGN: a program that a task starts would inherit that."""


def _report_crashes(file: Path) -> None:
    number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    faulthandler.enable(number)
    faulthandler.register(signal.SIGUSR1, number)


def _listen(line: Connection, held: Held, claims: SimpleQueue[Claim]) -> None:
    while True:
        try:
            word = line.recv()
        except (EOFError, OSError):
            os._exit(0)  # the worker is gone, and with it the reason to be
        match word:
            case Run(claim):
                claims.put(claim)
            case Gone(key):
                held.lose([key])
            case Stop():
                held.stopping.set()
            case _:
                raise AssertionError(f"unknown word {word!r}")
