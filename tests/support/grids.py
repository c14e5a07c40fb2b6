"""Small cubes of every kind that people send, as NetCDF files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.support.netcdf import Var, netcdf

LAT = {"units": "degrees_north", "standard_name": "latitude"}
LON = {"units": "degrees_east", "standard_name": "longitude"}


@dataclass(frozen=True)
class Weather:
    """A cube of temperatures, packed or not, and the file that holds it."""

    times: int | None = 6
    lats: np.ndarray = field(default_factory=lambda: np.linspace(88, -88, 23).astype("f4"))
    lons: np.ndarray = field(default_factory=lambda: np.arange(0, 360, 7.5).astype("f4"))
    units: str = "hours since 2000-01-01 00:00:00"
    calendar: str = "standard"
    first: int = 0
    step: int = 6
    seed: int = 1
    packed: bool = False
    chunks: tuple[int, ...] | None = None
    attrs: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, Var] = field(default_factory=dict)
    dims: Mapping[str, int | None] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        return (*([] if self.times is None else [self.times]), self.lats.size, self.lons.size)

    @property
    def stored(self) -> np.ndarray:
        """The numbers as the file keeps them: every eleventh is missing."""
        rng = np.random.default_rng(self.seed)
        missing = np.arange(np.prod(self.shape)).reshape(self.shape) % 11 == 3
        if self.packed:
            return np.where(missing, -32768, rng.integers(-9_000, 9_000, self.shape)).astype("i2")
        return np.where(missing, np.nan, rng.normal(280, 15, self.shape)).astype("f4")

    @property
    def values(self) -> np.ndarray:
        """What the numbers mean; NaN where there is none."""
        if not self.packed:
            return self.stored.astype("f8")
        return np.where(self.stored == -32768, np.nan, self.stored * 0.01 + 273.15)

    def file(self) -> bytes:
        timed = self.times is not None
        packing = {"scale_factor": 0.01, "add_offset": 273.15} if self.packed else {}
        variables = {
            "lat": Var(("lat",), self.lats, LAT),
            "lon": Var(("lon",), self.lons, LON),
            "t2m": Var(
                ("time", "lat", "lon") if timed else ("lat", "lon"),
                self.stored,
                {"units": "K", "long_name": "Temperature", **packing, **self.attrs},
                chunks=self.chunks,
                deflate=1,
                shuffle=True,
                fill=-32768 if self.packed else np.nan,
            ),
            **self.more,
        }
        if timed:
            numbers = np.arange(self.times) * self.step + self.first
            attrs = {"units": self.units, "calendar": self.calendar}
            variables["time"] = Var(("time",), numbers.astype("f8"), attrs)
        time = {"time": None} if timed else {}
        dims = {**time, "lat": self.lats.size, "lon": self.lons.size, **self.dims}
        return netcdf(dims, variables, {"title": "Weather", "Conventions": "CF-1.8"})
