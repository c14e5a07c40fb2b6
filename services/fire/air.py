"""The weather of a forecast, hour by hour from when the fire begins. What is missing is an error, never calm and dry air."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from pydantic import AwareDatetime

from core.blobs import BlobRef
from core.context import Context
from core.errors import BadInput
from services.fire.missing import needed
from services.fire.rothermel import Array
from services.fire.site import Frozen, Site
from services.geo.gridspec import GridSpec
from services.storage import arrays
from services.weather import patch
from services.weather.derive import FREEZING, Variable
from services.weather.models import ModelName
from services.weather.patch import Patch
from services.weather.plan import Asked

VARIABLES = (Variable.U10, Variable.V10, Variable.T2M, Variable.RH2M, Variable.PRECIPITATION)
HOURLY = 24
"""A longer forecast of the earth takes every third hour."""


class Air(Frozen):
    """The weather that was taken, and where it comes from."""

    id: str
    """The model and its cycle."""
    model: ModelName
    cycle: AwareDatetime
    fallback: bool
    """Whether a cycle that was due was not whole, so that an older one was taken."""
    data: BlobRef
    grid: GridSpec | None = None
    """The cells of `data`; forecasts made before it was kept have none."""
    times: int
    warnings: list[str]
    sources: list[str]
    bytes: int


class Here(Frozen):
    """A site and its weather."""

    site: Site
    air: Air


def fetch(
    ctx: Context, site: Site, model: ModelName, begins: datetime, hours: int, ref: BlobRef
) -> Here:
    ctx.report(0.0, "downloading weather")
    asked = Asked(
        model=model,
        start=begins,
        hours=hours,
        step=3 if model == ModelName.GFS and hours > HOURLY else None,
        variables=VARIABLES,
        cycle=None,
    )
    with needed(ctx, "weather"):
        made = patch.make(patch.desk(ctx), asked, site.air, datetime.now(UTC))
    ctx.blobs.write(ref, arrays.together(hourly(made, begins, hours)))
    ctx.report(1.0, "weather ready")
    cycle = made.plan.cycle
    found = Air(
        id=f"{model.value}-{cycle:%Y%m%d%H}",
        model=model,
        cycle=cycle,
        fallback=made.plan.fallback,
        data=ref,
        grid=site.air,
        times=len(made.plan.times),
        warnings=made.warnings,
        sources=made.sources,
        bytes=made.bytes,
    )
    return Here(site=site, air=found)


def hourly(made: Patch, begins: datetime, hours: int) -> dict[str, Array]:
    """East, north, temperature (degrees Celsius), humidity and rain (mm) of each hour from `begins` on.

    Between the model's times, values run straight from one to the next, and rain falls evenly.
    """
    known = np.array([(each - begins) / timedelta(hours=1) for each in made.plan.times])
    if known[0] > 0 or known[-1] < hours:
        raise BadInput("the weather does not cover the forecast; nothing is assumed in its place")
    wanted = np.arange(hours, dtype=float)
    east, north, kelvin, humidity = (
        _between(known, made.variables[each], wanted) for each in VARIABLES[:4]
    )
    fallen = np.cumsum(made.variables[Variable.PRECIPITATION], axis=0, dtype=float)
    rain = np.diff(_between(known, fallen, np.arange(hours + 1, dtype=float)), axis=0)
    return {
        "east": east,
        "north": north,
        "celsius": kelvin - FREEZING,
        "humidity": np.clip(humidity, 0, 100),
        "rain": np.maximum(rain, 0),
    }


def _between(known: Array, values: Array, wanted: Array) -> Array:
    """NaN stays NaN: a gap is not filled from its neighbours."""
    before = np.clip(np.searchsorted(known, wanted, side="right") - 1, 0, max(len(known) - 2, 0))
    after = np.minimum(before + 1, len(known) - 1)
    apart = np.where(after > before, known[after] - known[before], 1.0)
    share = ((wanted - known[before]) / apart).reshape(-1, 1, 1)
    return values[before] + share * (values[after] - values[before])
