"""The made-up archive: which file an address names, what its inventory says, and any bytes of it."""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from services.weather.idx import Entry, Inventory, Kind, Span, parse
from services.weather.models import MODELS, Model, Raw
from services.weather.sample import writing
from services.weather.sample.listing import LISTS, Line
from services.weather.sample.writing import Piece

OTHER_LENGTH = 600_000
"""What a message takes in the inventory that nobody asks for: files are as sparse as the real ones."""
KEPT = 128 << 20
"""Bytes of messages that were made and may be asked for again."""


class Place(NamedTuple):
    """The file of a forecast hour, or its inventory."""

    name: str
    cycle: datetime
    hour: int
    is_index: bool

    @property
    def model(self) -> Model:
        return MODELS[self.name]


class Lies(NamedTuple):
    """A message of a file: one field or several."""

    offset: int
    length: int
    entries: tuple[Entry, ...]


class File:
    """The bytes of a file, made as they are read."""

    def __init__(self, place: Place, text: str) -> None:
        self.place, self.text = place, text
        self.inventory = parse(text)
        self.messages = list(_messages(place.model, self.inventory))
        last = self.messages[-1]
        self.size = last.offset + last.length

    def read(self, start: int, end: int) -> bytes:
        """Bytes from `start` up to, not including, `end`."""
        found = bytearray()
        at = start
        for each in self.messages:
            if each.offset + each.length <= at or each.offset >= end:
                continue
            found += bytes(max(0, each.offset - at))
            at = max(at, each.offset)
            data = MADE.get(self.place, each)
            part = data[at - each.offset : end - each.offset]
            found += part
            at += len(part)
        return bytes(found + bytes(end - at))


class _Made:
    """Messages that were made not long ago."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, datetime, int, int], bytes] = OrderedDict()

    def get(self, place: Place, lies: Lies) -> bytes:
        key = place.name, place.cycle, place.hour, lies.offset
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        data = _message(place, lies)
        with self._lock:
            self._kept[key] = data
            while sum(map(len, self._kept.values())) > KEPT and len(self._kept) > 1:
                self._kept.popitem(last=False)
        return data


MADE = _Made()


class Archive:
    """What is published by now. A cycle appears hour by hour, as real ones do."""

    def __init__(
        self, now: Callable[[], datetime] = lambda: datetime.now(UTC), real: Path | None = None
    ) -> None:
        """`real` is a folder of real inventories, whose files are offered too."""
        self.now = now
        self.real = dict(_real(real)) if real else {}

    def find(self, path: str) -> File | bytes | None:
        """What an address `host/path` names: a file, an inventory, or nothing (yet)."""
        place = place_of(path)
        if place is None:
            return None
        key = place.name, place.cycle, place.hour
        if key not in self.real and not self._published(place):
            return None
        text = self.real[key] if key in self.real else text_of(*key)
        return text.encode() if place.is_index else _file(place._replace(is_index=False), text)

    def _published(self, place: Place) -> bool:
        expected = place.model.expected(place.cycle)
        if place.hour not in expected or place.cycle.hour % place.model.every:
            return False
        share = 0.5 + 0.5 * place.hour / expected[-1]
        return self.now() >= place.cycle + timedelta(hours=place.model.late * share)


@lru_cache(maxsize=256)
def _file(place: Place, text: str) -> File:
    return File(place, text)


def place_of(path: str) -> Place | None:
    """`host/path` as one of the models' sources writes it."""
    for model, is_index, pattern in _patterns():
        found = pattern.fullmatch(path)
        if found is not None:
            cycle = datetime.strptime(found["ymd"] + found["hh"], "%Y%m%d%H").replace(tzinfo=UTC)
            return Place(model.name, cycle, int(found["hour"]), is_index)
    return None


@lru_cache(maxsize=1)
def _patterns() -> Sequence[tuple[Model, bool, re.Pattern[str]]]:
    return [
        (model, is_index, _pattern(template))
        for model in MODELS.values()
        for source in model.sources
        for is_index, template in ((True, source.index), (False, source.grib))
    ]


def _pattern(template: str) -> re.Pattern[str]:
    parts = urlsplit(template)
    text = re.escape(f"{parts.netloc}{parts.path}")
    seen: set[str] = set()

    def group(found: re.Match[str]) -> str:
        name = found[1]
        if name in seen:
            return f"(?P={name})"
        seen.add(name)
        return f"(?P<{name}>{r'[a-z]+' if name == 'stream' else r'[0-9]+'})"

    return re.compile(re.sub(r"\\\{([a-z]+)(?::[0-9]+d)?\\\}", group, text))


@lru_cache(maxsize=256)
def text_of(name: str, cycle: datetime, hour: int) -> str:
    """The inventory of a made-up file."""
    return _ecmwf(cycle, hour) if name == "ecmwf" else _noaa(name, cycle, hour)


def _noaa(name: str, cycle: datetime, hour: int) -> str:
    """Fields that share a message have its offset, and numbers as 624.1 and 624.2."""
    lines, offset, number, length, told = LISTS[name](hour), 0, 0, 0, list[str]()
    for at, line in enumerate(lines):
        follows = at + 1 < len(lines) and lines[at + 1].joined
        if not line.joined:
            number += 1
            length = _length(name, line) * (2 if follows else 1)
        part = f"{number}.{2 if line.joined else 1}" if line.joined or follows else str(number)
        more = f"{line.more}:" if line.more else ""
        told.append(
            f"{part}:{offset}:d={cycle:%Y%m%d%H}:{line.variable}:{line.level}:{line.forecast(hour)}:{more}"
        )
        offset += 0 if follows else length
    return "\n".join(told) + "\n"


def _ecmwf(cycle: datetime, hour: int) -> str:
    told, offset = list[str](), 0
    for line in LISTS["ecmwf"](hour):
        kind, _, height = line.level.partition(" ")
        length = _length("ecmwf", line)
        row = {
            "domain": "g",
            "date": f"{cycle:%Y%m%d}",
            "time": f"{cycle:%H%M}",
            "type": "fc",
            "stream": MODELS["ecmwf"].words(cycle)["stream"],
            "step": str(hour),
            "levtype": kind,
            **({"levelist": height} if height else {}),
            "param": line.variable,
            "_offset": offset,
            "_length": length,
        }
        told.append(json.dumps(row))
        offset += length
    return "\n".join(told) + "\n"


def _length(name: str, line: Line) -> int:
    return writing.usual(name) if line.raw else OTHER_LENGTH


def _messages(model: Model, inventory: Inventory) -> Iterator[Lies]:
    found: dict[int, list[Entry]] = {}
    for entry in inventory.entries:
        found.setdefault(entry.offset, []).append(entry)
    for offset, entries in sorted(found.items()):
        length = entries[0].length
        yield Lies(offset, writing.usual(model.name) if length is None else length, tuple(entries))


def _message(place: Place, lies: Lies) -> bytes:
    pieces = [_piece(place, entry) for entry in lies.entries]
    if len(pieces) == 1:
        return writing.message(pieces[0], lies.length)
    each = (lies.length - 200) // len(pieces)
    first, *others = (writing.message(piece, each) for piece in pieces)
    for other in others:
        first = writing.joined(first, other)
    return writing.padded(first, lies.length)


def _piece(place: Place, entry: Entry) -> Piece:
    raw = _raw(place.model, entry)
    span = entry.span or Span(0, 0)
    return Piece(place.name, place.cycle, raw, entry.kind or Kind.INSTANT, span)


def _raw(model: Model, entry: Entry) -> Raw | None:
    return next((raw for raw, each in model.messages.items() if entry.fits(each.match)), None)


NAMES = {
    "gfs": re.compile(r"(?:\d{8}_)?gfs\.t\d\dz\.pgrb2\.0p25\.f(\d+)\.idx"),
    "hrrr": re.compile(r"(?:\d{8}_)?hrrr\.t\d\dz\.wrfsfcf(\d+)\.grib2\.idx"),
    "nam": re.compile(r"nam\.nam\.t\d\dz\.conusnest\.hiresf(\d+)\.tm00\.grib2\.idx"),
    "ecmwf": re.compile(r"ifs\.\d{14}-(\d+)h-oper-fc\.index"),
}
"""How the real inventories are called that lie beside the checkout."""


def _real(folder: Path) -> Iterator[tuple[tuple[str, datetime, int], str]]:
    for path in sorted(folder.iterdir()):
        for name, pattern in NAMES.items():
            found = pattern.fullmatch(path.name)
            if found is not None:
                text = path.read_text()
                yield (name, parse(text).cycle, int(found[1])), text
