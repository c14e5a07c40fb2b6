"""The scribe: keeps the last lines that each task writes to its log, and writes them down in batches."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from core.errors import CoreMachineError
from core.tasks import Claim, TaskKey
from core.watching.redaction import redacted
from core.watching.task_logs import TaskLogs, Written
from core.watching.whereabouts import Line, Mark, current_task

log = logging.getLogger(__name__)
task_log = logging.getLogger("coremachine.task")
"""What is logged here and below, in a task, is kept with the task."""

LINES, BYTES, LONGEST = 500, 64 * 1024, 8 * 1024
"""What is kept of an attempt: its last lines, and how much of one that never ends."""
NOTEBOOKS = 5_000
"""How many attempts' lines wait in memory while the database is away."""


@dataclass(slots=True)
class Notebook:
    """The last lines of one attempt, and which of them are written down."""

    key: TaskKey
    attempt: int
    lines: deque[Line] = field(default_factory=deque[Line])
    count: int = 0
    size: int = 0
    saved: int = 0
    """The number of the last line that is written down."""
    ended: bool = False

    def add(self, line: Line) -> None:
        self.lines.append(line)
        self.count += 1
        self.size += len(line.message.encode())
        while len(self.lines) > LINES or self.size > BYTES:
            self.size -= len(self.lines.popleft().message.encode())

    @property
    def first(self) -> int:
        return self.count - len(self.lines) + 1

    def unsaved(self) -> Written:
        begin = max(self.saved + 1, self.first)
        fresh = list(self.lines)[begin - self.first :]
        return Written(self.key, self.attempt, self.first, begin, fresh)


class Scribe:
    """One for a process. A task that logs nothing costs it nothing."""

    def __init__(self, logs: TaskLogs) -> None:
        self.logs = logs
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._books: OrderedDict[tuple[TaskKey, int], Notebook] = OrderedDict()
        listen()

    def keep(self, mark: Mark, line: Line) -> None:
        """A task wrote a line: in this process, or in a child that sent it here."""
        with self._lock:
            book = self._books.get((mark.key, mark.attempt))
            if book is None:
                book = self._books[mark.key, mark.attempt] = Notebook(mark.key, mark.attempt)
                while len(self._books) > NOTEBOOKS:
                    self._books.popitem(last=False)
            book.add(line)

    def ended(self, claims: Iterable[Claim]) -> None:
        """These attempts are over: write down what they logged, before it is told that they are."""
        if not self._books:
            return
        with self._lock:
            keys = {(claim.key, claim.attempt) for claim in claims} & self._books.keys()
            for key in keys:
                self._books[key].ended = True
        if keys:
            self.flush()

    def flush(self) -> None:
        """Write down what is new. What cannot be written now is kept, and tried again with the next flush."""
        if not self._books:
            return
        with self._writing:
            with self._lock:
                written = [w for book in self._books.values() if (w := book.unsaved()).lines]
            if written:
                try:
                    self.logs.write(written)
                except CoreMachineError as error:  # a log is worth less than the task it tells of
                    log.warning("lines of %d task(s) not written down: %s", len(written), error)
                    return
            self._saved(written)

    def _saved(self, written: list[Written]) -> None:
        with self._lock:
            for each in written:
                book = self._books.get((each.key, each.attempt))
                if book is not None:
                    book.saved = each.begin + len(each.lines) - 1
            done = [k for k, book in self._books.items() if book.ended and book.saved == book.count]
            for key in done:
                del self._books[key]


class LineHandler(logging.Handler):
    """Gives what a task logs to whoever keeps the lines of that task."""

    def emit(self, record: logging.LogRecord) -> None:
        mark: Mark | None = getattr(record, "mark", None) or current_task()
        if mark is None or mark.keep is None:
            return
        try:
            mark.keep(mark, line_of(record))
        except Exception:  # noqa: BLE001 - as every handler of the standard library: a log line stops no task
            self.handleError(record)


def line_of(record: logging.LogRecord) -> Line:
    message = record.getMessage()
    if record.exc_info:
        message = f"{message}\n{_plain.formatException(record.exc_info)}"
    return Line(record.created, record.levelno, record.name, _fitted(redacted(message)))


def _fitted(message: str) -> str:
    clean = message.replace("\0", "\N{REPLACEMENT CHARACTER}")
    clean = clean.encode("utf-8", "replace").decode()
    return clean if len(clean) <= LONGEST else f"{clean[:LONGEST]}…"


_plain = logging.Formatter()
_handler = LineHandler()


def listen() -> None:
    """Hear what tasks log, from INFO on. May be called again; a child process calls it too."""
    if _handler not in task_log.handlers:
        task_log.addHandler(_handler)
    if task_log.level == logging.NOTSET:
        task_log.setLevel(logging.INFO)
