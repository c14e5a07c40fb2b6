"""The tile cache on made-up sources: what is published ends up in tiles, and what goes wrong is seen and mended."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from services.weather.derive import Variable
from services.weather.models import Raw
from services.weather.sample import truth
from services.weather.tilecache import (
    building,
    ingest,
    inventory,
    scanning,
    shelf,
    stock,
    tile,
)
from services.weather.tilecache.inventory import HourState, Inventory, RunRow, RunStatus
from services.weather.tilecache.region import Region
from services.weather.tilecache.scanning import Scope
from services.weather.tilecache.shelf import TileKey
from tests.support.sources import NOW, Sources, running

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
BOX = (-106.0, 39.5, -104.5, 40.5)
SPOT = (-105.25, 40.05)
LATER = NOW + timedelta(hours=3)
Later = timedelta


@pytest.fixture
def sources():
    with running() as found:
        yield found


def front(**more: Any) -> Region:
    """Three hours of HRRR, unless told otherwise."""
    told: dict[str, Any] = {
        "name": "front",
        "bbox": BOX,
        "models": ("hrrr",),
        "variables": ("t2m", "wind_speed", "precipitation"),
        "runs": 1,
        "hours": 3,
    }
    return Region.model_validate({**told, **more})


def scope(*regions: Region, **more: Any) -> Scope:
    return Scope(regions=regions or (front(),), **{"run": NOON, **more})


def fetch(sources: Sources, which: Scope, now: datetime = NOW) -> list[ingest.Ingested]:
    desk = sources.desk()
    return [ingest.ingest(desk, order, now) for order in scanning.scan(desk, which, now)]


def build(sources: Sources, which: Scope, now: datetime = NOW) -> list[building.Built]:
    orders = scanning.to_build(stock.look(sources.blobs), which)
    return [building.build(sources.desk(), order, now) for order in orders]


def rounded(sources: Sources, which: Scope, now: datetime = NOW) -> Inventory:
    """What a scan does."""
    fetch(sources, which, now)
    build(sources, which, now)
    return inventory.inventory(sources.blobs, now)


def row(found: Inventory, region: str = "front", run: datetime = NOON) -> RunRow:
    (only,) = [r for r in found.runs if (r.region, r.run) == (region, shelf.run_name(run))]
    return only


def key(variable: Variable = Variable.T2M, region: Region | None = None) -> TileKey:
    return TileKey((region or front()).folder, "hrrr", NOON, variable)


def test_what_is_published_ends_up_in_tiles(sources: Sources) -> None:
    found = row(rounded(sources, scope()))
    assert (found.status, found.missing_hours, found.reason) == (RunStatus.COMPLETE, [], None)
    assert set(found.hours.values()) == {HourState.TILED}
    assert found.variables == {
        Variable.T2M: 4,
        Variable.WIND_SPEED: 4,
        Variable.PRECIPITATION: 3,  # nothing has fallen before the first hour
    }
    arrays = tile.opened(sources.blobs.read(shelf.tile(key())))
    assert str(shelf.tile(key())) == (
        "silver/cache/tiles/front/0.100deg/hrrr/run_20261125_12/t2m.npz"
    )
    lon, lat = front().spec.lonlat()
    for at, hour in enumerate(arrays.hours):
        expected = truth.field(Raw.TEMPERATURE, lon, lat, NOON + timedelta(hours=int(hour)))
        np.testing.assert_allclose(arrays.means[at], expected, atol=0.1)
    assert (arrays.mins < arrays.maxs).all()
    assert ((arrays.mins <= arrays.means) & (arrays.means <= arrays.maxs)).all()
    rain = tile.opened(sources.blobs.read(shelf.tile(key(Variable.PRECIPITATION))))
    np.testing.assert_allclose(
        rain.means[1], truth.field(Raw.RAIN, lon, lat, NOON + timedelta(hours=2), 1), atol=0.1
    )
