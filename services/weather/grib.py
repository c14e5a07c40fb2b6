"""What every GRIB message says on its outside: whether it is whole, and which fields it holds."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from core.errors import ServiceUnavailable

HEAD = 16
END = b"7777"


class BadGrib(ServiceUnavailable):
    """What a source sent is not the GRIB message its inventory promises."""

    code = "bad_grib"


def length_of(head: bytes) -> int | None:
    """How long the message is that begins so; None while too little of it is there."""
    if len(head) < HEAD:
        return None
    if head[:4] != b"GRIB":
        raise BadGrib("there is no GRIB message where the inventory says one begins")
    if head[7] == 2:
        return int(struct.unpack(">Q", head[8:16])[0])
    if head[7] == 1:
        return int.from_bytes(head[4:7], "big")
    raise BadGrib(f"GRIB of edition {head[7]} is not known")


def checked(data: bytes) -> bytes:
    """The message, if it is whole: GRIB at its begin, 7777 at its end, as long as it says."""
    said = length_of(data[:HEAD])
    if said is None or said != len(data):
        raise BadGrib(f"a message of {said} bytes lies where the inventory says it has {len(data)}")
    if not data.endswith(END):
        raise BadGrib("a message has no end (7777): the file was cut, or is still being written")
    return data


class _Section(NamedTuple):
    number: int
    data: bytes


def field(data: bytes, part: int) -> bytes:
    """One field of a message as a message of its own. U and V often share one (1.1 and 1.2 in inventories)."""
    if data[7] != 2:
        if part == 1:
            return data
        raise BadGrib("a message of GRIB 1 holds one field")
    fields = list(_fields(data))
    if part > len(fields):
        raise BadGrib(
            f"a message holds {len(fields)} fields, and the inventory names number {part}"
        )
    if len(fields) == 1:
        return data
    body = b"".join(section.data for section in fields[part - 1])
    size = HEAD + len(body) + len(END)
    return data[:8] + struct.pack(">Q", size) + body + END


def _fields(data: bytes) -> Iterator[list[_Section]]:
    """Each field's sections. What is not said again holds for the next field, a bitmap too."""
    held: dict[int, _Section] = {}
    bitmap: _Section | None = None
    for section in _sections(data):
        if section.number == 6:
            section, bitmap = _bitmap(section, bitmap)
        held[section.number] = section
        if section.number == 7:
            yield [held[number] for number in sorted(held)]


def _bitmap(section: _Section, last: _Section | None) -> tuple[_Section, _Section | None]:
    """254 says: the same as before."""
    indicator = section.data[5]
    if indicator == 254:
        if last is None:
            raise BadGrib("a field has the bitmap of the one before, and there is none")
        return last, last
    return section, section if indicator == 0 else last


def _sections(data: bytes) -> Iterator[_Section]:
    at, end = HEAD, len(data) - len(END)
    while at < end:
        size = int.from_bytes(data[at : at + 4], "big")
        if size < 5 or at + size > end:
            raise BadGrib("the sections of a message do not fit into it")
        yield _Section(data[at + 4], data[at : at + size])
        at += size
