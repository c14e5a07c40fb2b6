"""When an item is of: a moment or a span, always in UTC, and said so where it is a guess."""

from datetime import UTC, datetime

from core.catalog import Document
from core.errors import BadInput


def when(given: datetime | None, file: datetime | None, now: datetime) -> Document:
    """STAC wants a time: the caller's, else the file's own, else that of processing.

    `coremachine:datetime_source` says which of the three it is. Year 1 is how some files say that they do not know.
    """
    times = {"given": given, "file": file, "processing": now}
    source, moment = next((name, time) for name, time in times.items() if time and time.year > 1)
    return {"datetime": utc(moment), "coremachine:datetime_source": source}


def between(first: datetime, last: datetime) -> Document:
    """What holds for a while has no one moment, and says both ends instead."""
    if _aware(first) > _aware(last):
        raise BadInput(f"{first} is later than {last}")
    ends = {"start_datetime": utc(first), "end_datetime": utc(last)}
    return {"datetime": None, **ends, "coremachine:datetime_source": "given"}


def utc(moment: datetime) -> str:
    """A moment without a zone counts as UTC."""
    text = _aware(moment).astimezone(UTC).isoformat(timespec="seconds")
    return text.replace("+00:00", "Z")


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
