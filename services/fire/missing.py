"""What a forecast cannot be made without. A source that stays away fails it, so that nobody waits for a click in vain."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from core.context import Context
from core.errors import CoreMachineError
from core.guard import Unreachable
from services.fire.firms import FirmsFailed
from services.remote.products import TilesFailed
from services.weather.grib import BadGrib
from services.weather.sources import NotPublished, SourceFailed

PATIENT = 3
"""Attempts of a task that a source is given."""
AWAY = (NotPublished, SourceFailed, BadGrib, TilesFailed, FirmsFailed, Unreachable)


class InputMissing(CoreMachineError):
    """What the forecast needs could not be had, several times in a row. Submit it again later."""

    code, status = "input_missing", 503


@contextmanager
def needed(ctx: Context, what: str) -> Generator[None]:
    try:
        yield
    except AWAY as error:
        if ctx.attempt < PATIENT:
            raise
        raise InputMissing(f"There is no {what}: {error}") from error
