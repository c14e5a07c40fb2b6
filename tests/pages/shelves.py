"""Forecasts on the shelf: one run in tiles, one that lacks hours for every reason there is, one whose source is down."""

from datetime import UTC, datetime, timedelta

from core.blobs import Blobs
from services.weather.derive import Variable
from services.weather.tilecache import records, shelf
from services.weather.tilecache.records import Seen
from services.weather.tilecache.region import Region
from services.weather.tilecache.shelf import Slot

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
RUN = NOW.replace(hour=NOW.hour // 6 * 6)
FRONT = Region(
    name="front",
    bbox=(-105.5, 39.8, -105, 40.3),
    models=("gfs", "hrrr"),
    variables=("t2m",),
    hours=18,
)
HOSTILE = '<img src=x onerror=alert(1)> "quoted"'


def fill(blobs: Blobs) -> None:
    records.follow(blobs, FRONT, NOW)
    for back in (0, 6):
        run = RUN - timedelta(hours=back)
        seen = Seen(model="gfs", run=run, hours=tuple(range(9)), reason="f009 is not there", at=NOW)
        shelf.keep(blobs, shelf.seen("gfs", run), seen)
    for hour in range(3):
        blobs.write(shelf.grib(Slot("gfs", RUN, Variable.T2M, hour)), b"GRIB" * 250)
    records.note_failure(blobs, Slot("gfs", RUN, Variable.T2M, 4), HOSTILE, NOW)
    records.note_source(blobs, "gfs", "", NOW)
    shelf.keep(blobs, shelf.seen("hrrr", RUN), Seen(model="hrrr", run=RUN, at=NOW))
    records.note_source(blobs, "hrrr", "503 from every mirror", NOW)
