"""What a process remembers of the cache: bounded, of one storage, and never whole messages."""

from core.blobs import BlobRef
from core.memory.blobs import MemoryBlobs
from services.weather import near as module
from services.weather.near import Near, near

A, B, C = (BlobRef(f"silver/weather-cache/{name}") for name in "abc")


def test_the_longest_unused_goes_first(monkeypatch) -> None:
    monkeypatch.setattr(module, "ROOM", 25)
    kept = Near()
    kept.put(A, b"0" * 10)
    kept.put(B, b"0" * 10)
    assert kept.get(A) == b"0" * 10
    kept.put(C, b"0" * 10)
    assert kept.get(B) is None
    assert kept.get(A) is not None
    assert kept.get(C) is not None


def test_what_is_put_twice_counts_once(monkeypatch) -> None:
    monkeypatch.setattr(module, "ROOM", 25)
    kept = Near()
    for _ in range(5):
        kept.put(A, b"0" * 10)
    kept.put(B, b"0" * 10)
    assert kept.get(A) is not None
    kept.drop(A)
    assert kept.get(A) is None


def test_whole_messages_are_left_to_storage() -> None:
    kept = Near()
    message = BlobRef("silver/weather-cache/x.grib2")
    kept.put(message, b"GRIB")
    assert kept.get(message) is None


def test_two_storages_are_two() -> None:
    one, other = MemoryBlobs(), MemoryBlobs()
    near(one).put(A, b"1")
    assert near(other).get(A) is None
    assert near(one).get(A) == b"1"
