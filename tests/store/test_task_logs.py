"""Task logs: one suite, in memory and on PostgreSQL; and the scribe that writes them."""

import logging
import threading
from collections.abc import Iterator

import pytest

from core.errors import ServiceUnavailable
from core.memory.logs import MemoryTaskLogs
from core.queues import LIGHT
from core.tasks import Claim, TaskKey
from core.watching.scribe import BYTES, LINES, LONGEST, Scribe, line_of
from core.watching.task_logs import TaskLogs, Written
from core.watching.whereabouts import Line, Mark, at_task
from infrastructure.database import Database
from infrastructure.task_logs import PostgresTaskLogs
from tests.store.desk import at_once

KEY, OTHER = TaskKey(7, 0, 3), TaskKey(7, 1, 0)
task_log = logging.getLogger("coremachine.task")


@pytest.fixture(params=["memory", "postgres"])
def logs(request: pytest.FixtureRequest) -> Iterator[TaskLogs]:
    if request.param == "memory":
        yield MemoryTaskLogs()
        return
    request.getfixturevalue("empty")
    yield PostgresTaskLogs(request.getfixturevalue("store_pool"))


def line(message: str, level: int = logging.INFO) -> Line:
    return Line(1_700_000_000.25, level, "coremachine.task", message)


def written(*messages: str, key: TaskKey = KEY, attempt: int = 1, begin: int = 1, first: int = 1):
    return Written(key, attempt, first, begin, [line(m) for m in messages])


def messages(logs: TaskLogs, key: TaskKey | None = None, after: int = 0, limit: int = 1_000):
    return [found.message for found in logs.read(KEY.run, key, after, 0, limit)]


def test_lines_are_read_in_the_order_they_were_written(logs: TaskLogs) -> None:
    logs.write([written("one", "two"), written("elsewhere", key=OTHER)])
    logs.write([written("three", begin=3)])
    assert messages(logs) == ["one", "two", "elsewhere", "three"]
    assert messages(logs, KEY) == ["one", "two", "three"]
    found = logs.read(KEY.run, KEY, 0, 0, 1)[0]
    assert (found.task_id, found.attempt, found.number, found.level) == ("7-0-3", 1, 1, "INFO")
    assert found.at.timestamp() == 1_700_000_000.25


def test_a_reader_goes_on_after_the_last_line_it_knows(logs: TaskLogs) -> None:
    logs.write([written("one", "two", "three")])
    first = logs.read(KEY.run, None, 0, 0, 2)
    assert messages(logs, after=first[-1].id) == ["three"]


def test_a_batch_written_twice_is_kept_once(logs: TaskLogs) -> None:
    """A reply was lost, so it was written again."""
    logs.write([written("one", "two")])
    logs.write([written("one", "two", "three")])
    assert messages(logs) == ["one", "two", "three"]


def test_what_is_dropped_is_counted_for_every_attempt(logs: TaskLogs) -> None:
    logs.write([written("1", "2", "3")])
    logs.write([written("5", "6", begin=5, first=3)])
    logs.write([written("10", begin=10, first=10, attempt=2)])
    assert messages(logs, KEY) == ["3", "5", "6", "10"]
    assert logs.dropped(KEY) == 2 + 9
    assert logs.dropped(OTHER) == 0


def test_lines_are_chosen_by_how_much_they_matter(logs: TaskLogs) -> None:
    lines = [line("fine"), line("careful", logging.WARNING), line("broken", logging.ERROR)]
    logs.write([Written(KEY, 1, 1, 1, lines)])
    found = logs.read(KEY.run, None, 0, logging.WARNING, 10)
    assert [f.message for f in found] == ["careful", "broken"]


def test_a_reader_that_follows_a_run_misses_no_line_of_its_many_writers(
    empty, store_pool: Database
) -> None:
    """Ids become visible in their order. Without the lock a slow transaction's lower ids come too late."""
    logs = PostgresTaskLogs(store_pool)
    seen: list[int] = []
    done = threading.Event()

    def write(worker: int) -> None:
        for n in range(1, 41):
            logs.write([written("x", "y", key=TaskKey(7, 0, worker), begin=2 * n - 1)])

    def follow() -> None:
        last = 0
        while True:
            over = done.is_set()
            found = logs.read(7, None, last, 0, 1_000)
            seen.extend(f.id for f in found)
            last = seen[-1] if seen else 0
            if over and not found:
                return

    def write_all() -> None:
        try:
            at_once(*(lambda w=w: write(w) for w in range(4)))
        finally:
            done.set()

    at_once(write_all, follow)
    assert len(seen) == 4 * 40 * 2


# the scribe


def mark(scribe: Scribe | None, key: TaskKey = KEY, attempt: int = 1) -> Mark:
    keep = None if scribe is None else scribe.keep
    return Mark("ab", "line", 1, "first", LIGHT, key, attempt, keep)


def claim(key: TaskKey = KEY, attempt: int = 1) -> Claim:
    return Claim(key, attempt, 0, LIGHT)


@pytest.fixture
def scribe(logs: TaskLogs) -> Scribe:
    return Scribe(logs)


def test_what_a_task_logs_is_written_down_when_it_ends(scribe: Scribe, logs: TaskLogs) -> None:
    with at_task(mark(scribe)):
        task_log.info("warped %d cells", 12)
        logging.getLogger("coremachine.task.raster").warning("odd")
        logging.getLogger("elsewhere").warning("not a task's line")
        task_log.debug("too little to keep")
    assert messages(logs) == []
    scribe.ended([claim()])
    assert messages(logs) == ["warped 12 cells", "odd"]


def test_only_the_last_lines_are_kept(scribe: Scribe, logs: TaskLogs) -> None:
    """500 at most, also where some were written down while the task ran."""
    with at_task(mark(scribe)):
        for n in range(LINES + 100):
            task_log.info("%d", n)
            if n == 50:
                scribe.flush()
    scribe.ended([claim()])
    assert messages(logs) == [str(n) for n in range(100, LINES + 100)]
    assert logs.dropped(KEY) == 100


def test_long_lines_are_cut_and_many_of_them_push_out_the_first(
    scribe: Scribe, logs: TaskLogs
) -> None:
    with at_task(mark(scribe)):
        for n in range(20):
            task_log.info("%d%s", n, "x" * 2 * LONGEST)
    scribe.ended([claim()])
    found = messages(logs)
    assert sum(map(len, found)) <= BYTES
    assert found[-1].startswith("19xxx")
    assert found[-1].endswith("…")
    assert logs.dropped(KEY) == 20 - len(found)


def test_no_secret_is_kept_and_nothing_that_the_database_refuses(
    scribe: Scribe, logs: TaskLogs
) -> None:
    with at_task(mark(scribe)):
        task_log.info("postgresql://me:hunter2@db/x AccountKey=abc== sig=f00 Bearer abcdefghij")
        task_log.info("a\0b")
    broken = logging.makeLogRecord({"msg": "a \ud800", "name": "x", "levelno": logging.INFO})
    scribe.keep(mark(scribe), line_of(broken))
    scribe.ended([claim()])
    text = " ".join(messages(logs))
    assert not [s for s in ("hunter2", "abc==", "f00", "abcdefghij", "\0") if s in text]
    assert "postgresql://me:***@db/x" in text


def test_an_exception_is_kept_with_its_traceback(scribe: Scribe, logs: TaskLogs) -> None:
    with at_task(mark(scribe)):
        try:
            raise ValueError("no such band")
        except ValueError:
            task_log.exception("could not read")
    scribe.ended([claim()])
    assert "ValueError: no such band" in messages(logs)[0]


def test_lines_wait_while_the_database_is_away(logs: TaskLogs) -> None:
    away = threading.Event()
    away.set()

    class Sometimes(MemoryTaskLogs):
        def write(self, written) -> None:
            if away.is_set():
                raise ServiceUnavailable("away")
            logs.write(written)

    scribe = Scribe(Sometimes())
    with at_task(mark(scribe)):
        task_log.info("kept")
    scribe.ended([claim()])
    assert messages(logs) == []
    away.clear()
    scribe.flush()
    scribe.flush()
    assert messages(logs) == ["kept"]


def test_a_task_that_logs_nothing_asks_the_database_for_nothing(store_pool: Database) -> None:
    class Never(MemoryTaskLogs):
        def write(self, written) -> None:
            raise AssertionError("nothing was logged")

    scribe = Scribe(Never())
    with at_task(mark(scribe)):
        pass
    scribe.ended([claim()])
    scribe.flush()


def test_lines_of_a_task_that_nobody_keeps_go_nowhere() -> None:
    """A handler that is called by hand, or a host without a scribe."""
    with at_task(mark(None)):
        task_log.info("said to nobody")
    task_log.info("said outside of any task")
