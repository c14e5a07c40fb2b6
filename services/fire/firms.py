"""NASA FIRMS: where it is asked for detections, and what it says when it has none to give."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from enum import StrEnum

from core.errors import BadInput, ServiceUnavailable
from core.internet import Ask, Internet
from services.fire.options import FireOptions

HOST = "firms.modaps.eosdis.nasa.gov"
LARGEST = 256 << 20
MOST_DAYS = 5


class Satellite(StrEnum):
    """The products of FIRMS: near real time, or archived."""

    SNPP = "VIIRS_SNPP_NRT"
    NOAA20 = "VIIRS_NOAA20_NRT"
    NOAA21 = "VIIRS_NOAA21_NRT"
    MODIS = "MODIS_NRT"
    SNPP_ARCHIVE = "VIIRS_SNPP_SP"
    NOAA20_ARCHIVE = "VIIRS_NOAA20_SP"
    MODIS_ARCHIVE = "MODIS_SP"


class FirmsFailed(ServiceUnavailable):
    """NASA FIRMS did not answer as it should. Try again in a few minutes."""

    code = "firms_failed"


def csv(
    internet: Internet,
    options: FireOptions,
    satellite: Satellite,
    bbox: Sequence[float],
    first: date,
    days: int,
) -> bytes:
    """Its table of detections. The key stands in the address, so no address is ever told."""
    key = options.firms_key.get_secret_value()
    if not key:
        raise BadInput("no key of NASA FIRMS is set (CM_FIRMS_KEY); pass a CSV as source instead")
    area = ",".join(f"{value:g}" for value in bbox)
    url = f"https://{HOST}/api/area/csv/{key}/{satellite}/{area}/{days}/{first}"
    told = internet.read(Ask(url, limit=LARGEST))
    if told.status != 200:
        raise FirmsFailed(f"FIRMS answers {told.status}")
    if b"latitude" not in told.body[:200]:
        raise BadInput("FIRMS refuses: is CM_FIRMS_KEY right, and the box inside the earth?")
    return told.body
