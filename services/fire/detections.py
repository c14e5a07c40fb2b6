"""Active fires seen by satellites, as FIRMS gives them: CSV of MODIS and VIIRS, archived, near real time or from the API."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from io import StringIO
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from core.errors import BadInput

NEEDED = {"latitude", "longitude", "acq_date", "acq_time", "confidence"}
BRIGHTNESS = ("bright_ti4", "brightness")
MOST_BAD = 1_000
"""Bad rows that are told one by one."""
LETTERS = {
    "l": "low",
    "n": "nominal",
    "h": "high",
    "low": "low",
    "nominal": "nominal",
    "high": "high",
}
LOW, HIGH = 30, 80
"""MODIS gives percent; these are the limits of its own three classes."""
NORMAL_PIXEL = 1.0


class Sensor(StrEnum):
    MODIS = "modis"
    VIIRS = "viirs"


class Confidence(StrEnum):
    LOW = "low"
    NOMINAL = "nominal"
    HIGH = "high"


class Source(StrEnum):
    """What FIRMS's archive says a detection is of. Near real time does not say."""

    VEGETATION = "vegetation"
    VOLCANO = "volcano"
    STATIC = "static"
    OFFSHORE = "offshore"


SOURCES = {str(number): source for number, source in enumerate(Source)}


class Detection(BaseModel):
    """A hot pixel."""

    model_config = ConfigDict(frozen=True)

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    seen: datetime
    sensor: Sensor
    satellite: str = ""
    confidence: Confidence
    brightness: float | None = Field(default=None, gt=0, lt=2000)
    """Kelvin, of the channel that sees fire."""
    power: float | None = Field(default=None, ge=0)
    """Fire radiative power, MW."""
    scan: float = Field(default=NORMAL_PIXEL, gt=0, le=20)
    """Kilometres that the pixel is wide."""
    track: float = Field(default=NORMAL_PIXEL, gt=0, le=20)
    """Kilometres that it is long."""
    is_day: bool | None = None
    source: Source | None = None


class BadRow(NamedTuple):
    """A line that could not be read, and why."""

    line: int
    reason: str


class Parsed(NamedTuple):
    """What a file holds. `skipped` counts all bad rows, also those that are not told one by one."""

    detections: list[Detection]
    bad: list[BadRow]
    skipped: int


def parse(text: str) -> Parsed:
    """All rows that make sense, and which do not. A text that is no table of detections is refused."""
    reader = csv.DictReader(StringIO(text.lstrip("\ufeff")), restkey="")
    names = {name.strip().lower() for name in reader.fieldnames or []}
    if missing := sorted(NEEDED - names):
        first = text.strip().splitlines()[0][:80] if text.strip() else "nothing"
        raise BadInput(
            f"these are no detections of FIRMS: {', '.join(missing)} missing; it begins with {first!r}"
        )
    detections: list[Detection] = []
    bad: list[BadRow] = []
    for line, row in _rows(reader):
        try:
            detections.append(_detection(row))
        except ValueError as error:
            bad.append(BadRow(line, _why(error)))
    return Parsed(detections, bad[:MOST_BAD], len(bad))


def _rows(reader: csv.DictReader[str]) -> Iterator[tuple[int, dict[str, str]]]:
    for row in reader:
        cells = {(name or "").strip().lower(): value for name, value in row.items()}
        yield (
            reader.line_num,
            {name: value.strip() for name, value in cells.items() if isinstance(value, str)},
        )


def _detection(row: dict[str, str]) -> Detection:
    if missing := sorted(NEEDED - row.keys()):
        raise ValueError(f"the line ends before {', '.join(missing)}")
    is_viirs = "bright_ti4" in row or row.get("instrument", "").upper() == "VIIRS"
    brightness = next((row[name] for name in BRIGHTNESS if row.get(name)), None)
    return Detection(
        latitude=_number(row, "latitude"),
        longitude=_number(row, "longitude"),
        seen=_moment(row["acq_date"], row["acq_time"]),
        sensor=Sensor.VIIRS if is_viirs else Sensor.MODIS,
        satellite=row.get("satellite", ""),
        confidence=_confidence(row["confidence"]),
        brightness=None if brightness is None else float(brightness),
        power=_number(row, "frp") if row.get("frp") else None,
        scan=_number(row, "scan") if row.get("scan") else NORMAL_PIXEL,
        track=_number(row, "track") if row.get("track") else NORMAL_PIXEL,
        is_day={"D": True, "N": False}.get(row.get("daynight", "").upper()),
        source=SOURCES.get(row.get("type", "")),
    )


def _number(row: dict[str, str], name: str) -> float:
    try:
        return float(row[name])
    except ValueError as error:
        raise ValueError(f"{name} is no number: {row[name][:20]!r}") from error


def _moment(date: str, time: str) -> datetime:
    """Hours and minutes come as `0050`, as `50`, and as `00:50`."""
    digits = time.replace(":", "").zfill(4)
    try:
        return datetime.strptime(f"{date} {digits}", "%Y-%m-%d %H%M").replace(tzinfo=UTC)
    except ValueError as error:
        raise ValueError(f"no moment: {date[:20]!r} {time[:10]!r}") from error


def _confidence(value: str) -> Confidence:
    if value.lower() in LETTERS:
        return Confidence(LETTERS[value.lower()])
    try:
        percent = float(value)
    except ValueError as error:
        raise ValueError(f"no confidence: {value[:20]!r}") from error
    if not 0 <= percent <= 100:
        raise ValueError(f"a confidence of {percent} percent")
    if percent < LOW:
        return Confidence.LOW
    return Confidence.NOMINAL if percent < HIGH else Confidence.HIGH


def _why(error: ValueError) -> str:
    """One line, without the model's own words."""
    problems = getattr(error, "errors", None)
    if problems is None:
        return str(error)
    first = problems()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
