"""Bytes are counted where they pass: each once, also when threads move them, and no failure to keep figures stops a task."""

import io
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from core.blobs import BlobRef
from core.errors import ServiceUnavailable
from core.internet import Ask, Internet, Told
from core.memory.blobs import MemoryBlobs
from core.watching.traffic import Count, Moved, Traffic

REF = BlobRef("bronze/rivers/nile.bin")
OTHER = BlobRef("silver/rivers/nile.bin")


class Book:
    """Keeps what it is told, unless it is away."""

    def __init__(self) -> None:
        self.kept: list[dict[str, Moved]] = []
        self.away = False

    def add(self, moved: Mapping[str, Moved]) -> None:
        if self.away:
            raise ServiceUnavailable("the database is away")
        self.kept.append(dict(moved))


def test_what_is_read_counts_once_however_it_is_read() -> None:
    count = Count()
    storage = MemoryBlobs()
    storage.write(REF, b"0123456789")
    blobs = count.blobs(storage)
    assert blobs.read(REF, 2, 3) == b"234"
    assert b"".join(blobs.chunks(REF)) == b"0123456789"
    with blobs.local(REF) as path:
        assert path.read_bytes() == b"0123456789"
    assert count.moved == Moved(read=3 + 10 + 10)


def test_what_is_stored_counts_once_and_what_storage_copies_itself_does_not() -> None:
    count = Count()
    blobs = count.blobs(MemoryBlobs())
    draft = blobs.staged(REF, "one")
    blobs.write(draft, b"12345")
    blobs.promote(draft, REF)
    blobs.write(OTHER, io.BytesIO(b"1234567"), content_type="text/plain")
    blobs.put_piece(BlobRef("silver/rivers/big.bin"), 0, b"123")
    assert count.moved == Moved(written=5 + 7 + 3)
    assert blobs.info(OTHER).content_type == "text/plain"
    assert blobs.link(REF, timedelta(minutes=1))


def test_what_the_internet_answers_was_read() -> None:
    class Place:
        def read(self, ask: Ask) -> Told:
            return Told(200, {}, ask.url.encode())

        def close(self) -> None: ...

    count = Count()
    options = count.options({Internet: Internet(Place(), "http://stand.in"), str: "other"})
    assert (len(options), options[str]) == (2, "other")
    internet = options[Internet]
    assert isinstance(internet, Internet)
    told = internet.read(Ask("https://example.org/a"))
    assert told.body == b"http://stand.in/example.org/a"
    assert count.moved == Moved(read=len(told.body))


def test_threads_of_a_task_count_together() -> None:
    count, storage = Count(), MemoryBlobs()
    storage.write(REF, b"1234567")
    blobs = count.blobs(storage)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: blobs.read(REF), range(2_000)))
    assert count.moved == Moved(read=14_000)


def test_sums_are_written_down_once_by_type() -> None:
    book = Book()
    traffic = Traffic(book)
    for job_type, moved in (("a", Moved(1, 2)), ("b", Moved(5, 0)), ("a", Moved(10, 20))):
        traffic.add(job_type, moved)
    traffic.flush()
    traffic.flush()
    assert book.kept == [{"a": Moved(11, 22), "b": Moved(5, 0)}]


def test_what_cannot_be_written_down_waits_for_the_next_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    book = Book()
    traffic = Traffic(book)
    traffic.add("a", Moved(1, 1))
    book.away = True
    with caplog.at_level(logging.WARNING):
        traffic.flush()
    assert "not written down: the database is away" in caplog.text
    book.away = False
    traffic.add("a", Moved(2, 2))
    traffic.flush()
    assert book.kept == [{"a": Moved(3, 3)}]
