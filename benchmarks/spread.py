"""The fire model, measured: `.venv/bin/python -m benchmarks.spread`. Against FlamMap where the shared data lies beside the checkout."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio

from benchmarks.table import HEAD, Row
from services.fire import ensemble
from services.fire.fuel_models import MODELS
from services.fire.landscape import Ignition, Landscape, Weather
from services.fire.rothermel import Ground, Moisture, Wind, behaviour
from services.fire.spread import spread
from services.fire.tally import Tally
from services.fire.warm import warm

ROOT = Path(__file__).parents[1]
FIRE = ROOT.parent / "shared" / "data" / "fire"
DRY = Moisture(0.06, 0.07, 0.08, 0.6, 0.9)
GRASS, BRUSH, DAY = 102, 145, 24 * 60.0
ROUNDS = 3
MEMBERS = 20


def main() -> int:
    warm()
    rows = [*accuracy(), *ellipses(), *speed(), *start()]
    table = [HEAD, ["---"] * len(HEAD), *(row.cells for row in rows)]
    print("\n".join("| " + " | ".join(cells) + " |" for cells in table))
    return 0 if all(row.ok is not False for row in rows) else 1


def accuracy() -> list[Row]:
    if not FIRE.is_dir():
        return []
    return [against_flammap(), *against_another()]


def against_flammap() -> Row:
    def read(name: str) -> np.ndarray:
        with rasterio.open(FIRE / "flammap_vermont" / name) as dataset:
            return dataset.read(1)

    codes, aspect = read("inputs/LC22_F40_230.tif").astype(int), read("inputs/LC20_Asp_220.tif")
    theirs = read("expected/ROS_ch_hr.tif") * 20.1168 / 60
    use = np.isin(codes, list(MODELS)) & (read("expected/fire_type.tif") == 1) & (theirs > 0)
    slope = np.where(aspect < 0, 0, read("inputs/LC20_SlpP_220.tif") / 100)[use]
    ground = Ground(slope, aspect[use])
    ours = behaviour(codes[use], Moisture(0.06, 0.08, 0.1, 0.75, 0.6), Wind(0, 0), ground)
    what = f"rate of spread of {use.sum():,} cells, no wind: median, p95, max"
    return compared(what, ours.rate, theirs[use], "FlamMap", (2, 4, 6))


def against_another() -> list[Row]:
    every = np.genfromtxt(FIRE / "oracle_surface_dev.csv", delimiter=",", names=True)
    every = every[(every["fire_type"] == 1) & (every["head_spread_rate_m_min"] > 1e-3)]
    slope, still = every["slope"], every["wind_speed_10m"] == 0
    parts = {
        "flat ground": (slope == 0, (None, 1, None)),
        "slopes to 0.5 with wind": (~still & (slope > 0) & (slope <= 0.5), (None, 6, None)),
        "slopes without wind": (still & (slope > 0), (None, None, None)),
        "steeper slopes with wind": (~still & (slope > 0.5), (None, None, None)),
    }
    rows = []
    for name, (part, holds) in parts.items():
        rows_ = every[part]
        dead = [rows_[f"fuel_moisture_dead_{lag}hr"] for lag in (1, 10, 100)]
        live = [rows_[f"fuel_moisture_live_{kind}"] for kind in ("herbaceous", "woody")]
        wind = Wind.out_of(rows_["upwind_direction"], rows_["wind_speed_10m"] / 3.6)
        names = ("slope", "aspect", "canopy_cover", "canopy_height")
        ground = Ground(*(rows_[each] for each in names))
        ours = behaviour(rows_["fuel_model"].astype(int), Moisture(*dead, *live), wind, ground)
        what = f"rate of spread, {name}, {rows_.size} cases: median, p95, max"
        theirs = rows_["head_spread_rate_m_min"]
        rows.append(compared(what, ours.rate, theirs, "pyretechnics", holds))
    return rows


def compared(
    what: str, ours: np.ndarray, theirs: np.ndarray, peer: str, holds: tuple[float | None, ...]
) -> Row:
    off = np.abs(ours - theirs) / theirs * 100
    found = float(np.median(off)), float(np.percentile(off, 95)), float(off.max())
    asked = [(one, hold) for one, hold in zip(found, holds, strict=True) if hold is not None]
    return Row(
        what,
        " / ".join(f"{one:.2f} %" for one in found),
        peer,
        None,
        " / ".join("" if hold is None else f"<= {hold} %" for hold in holds) if asked else "",
        all(one <= hold for one, hold in asked) if asked else None,
    )


def ellipses() -> list[Row]:
    shares, areas = [], []
    for azimuth in range(0, 360, 15):
        wind = Wind.out_of(azimuth, 6.0)
        found = behaviour(GRASS, DRY, wind)
        length = float(found.rate + found.towards(found.azimuth + 180)) * 60
        cell = length / 200
        land = Landscape.of(cell, np.full((421, 421), GRASS))
        fire = spread(land, Weather.of(wind, DRY), Ignition.at([(210, 210)]), 60.0)
        areas.append(fire.area(60.0))
        shares.append(fire.area(60.0) * 10_000 / (np.pi * length**2 / 4 / found.length_to_width))
    turned = (max(areas) / min(areas) - 1) * 100
    slender = float(found.length_to_width)
    return [
        Row(
            f"area of a fire {slender:.1f} times as long as wide, 32 directions, least of 24 winds",
            f"{min(shares):.3f}", "its ellipse", None, ">= 0.95", min(shares) >= 0.95,
        ),
        Row("area as the wind turns", f"{turned:.1f} %", "", None, "<= 3 %", turned <= 3),
    ]  # fmt: skip


def speed() -> list[Row]:
    rng = np.random.default_rng(1)
    patches = rng.choice(
        [GRASS, BRUSH, 122, 161, 183, 98], (50, 50), p=[0.4, 0.1, 0.2, 0.1, 0.1, 0.1]
    )
    mixed = patches.repeat(20, 0).repeat(20, 1)
    slope, aspect = rng.uniform(0, 0.4, mixed.shape), rng.uniform(0, 360, mixed.shape)
    turning = Wind.out_of(np.linspace(200, 320, 24), np.linspace(3, 7, 24))
    rows = [
        day("mixed fuel, hills, turning wind", Landscape.of(30.0, mixed, slope, aspect), turning),
        day("brush, strong wind", Landscape.of(30.0, np.full(mixed.shape, BRUSH)), Wind.out_of(240, np.full(24, 10.0))),
    ]  # fmt: skip
    land, weather = Landscape.of(30.0, mixed, slope, aspect), Weather.of(turning, DRY)
    total, began = Tally.of(mixed.shape, (720.0, DAY)), time.process_time()
    for number in range(MEMBERS):
        start_ = Ignition.at([(500, 500), (505, 505)])
        total.add(ensemble.run(land, weather, start_, DAY, seed=1, number=number))
    total.forecast()
    took = time.process_time() - began
    what = f"{MEMBERS} members of the mixed landscape, one process, with their sum"
    return [*rows, Row(what, f"{took:.2f} s of processor")]


def day(what: str, land: Landscape, wind: Wind) -> Row:
    """The whole landscape of 1,000 x 1,000 cells is prepared, and what burns in a day is counted."""
    weather = Weather.of(wind, DRY)
    began = Ignition.at([(row, 500) for row in range(495, 506)])
    fire = spread(land, weather, began, DAY)
    took, busy = best(lambda: spread(land, weather, began, DAY))
    burnt = f"{np.isfinite(fire.arrival).sum():,} cells burnt"
    said = f"{took:.2f} s ({busy:.2f} s of processor)"
    return Row(f"1,000 x 1,000 cells, 24 h: {what}", said, burnt, None, "< 1 s", busy < 1)


def best(run: Callable[[], object]) -> tuple[float, float]:
    """The fastest of some rounds, by the clock and by the processor."""
    clocks, busies = [], []
    for _ in range(ROUNDS):
        clock, busy = time.perf_counter(), time.thread_time()
        run()
        clocks.append(time.perf_counter() - clock)
        busies.append(time.thread_time() - busy)
    return min(clocks), min(busies)


def start() -> list[Row]:
    """What the first fire of a process costs, without and with the kernels on disk."""
    with tempfile.TemporaryDirectory() as folder:
        first, second, third = (started(folder) for _ in range(3))
    again = min(second, third)
    return [
        Row("first fire on a machine: Python, imports, compiling", f"{first:.1f} s"),
        Row("first fire of every other process", f"{again:.1f} s", "", None, "", None),
    ]


def started(folder: str) -> float:
    began = time.perf_counter()
    command = [sys.executable, "-m", "services.fire.warm"]
    subprocess.run(command, cwd=ROOT, env={"NUMBA_CACHE_DIR": folder, "HOME": folder}, check=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
