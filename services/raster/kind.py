"""Guess what the cells of a raster mean, and say why."""

import re
from dataclasses import dataclass

import numpy as np

from services.raster.models import RasterType

CLASSES = 48
"""More distinct values than this are hardly classes of a legend."""
LEGEND = 256
LAND = (-500.0, 9000.0)
SMOOTH = 0.2
"""Neighbours on land differ by less than this share of the whole spread; in noise they do not."""
DEPTHS = re.compile(r"depth|flood|fluvial|pluvial", re.IGNORECASE)
HEIGHTS = ("elev", "dem", "dtm", "dsm", "height", "altitude")


@dataclass(frozen=True, slots=True)
class Look:
    """What a guess rests on: a decimated first band, everything invalid masked, and the alpha band."""

    dtype: str
    colors: tuple[str, ...]
    name: str
    file: str
    cells: np.ma.MaskedArray
    alpha: np.ndarray | None = None


def guess(look: Look) -> tuple[RasterType, str]:
    """The likely type and the reason in words. Collars and holes are masked, so they do not count."""
    shown = [color for color in look.colors if color != "alpha"]
    if "palette" in look.colors:
        return RasterType.CATEGORICAL, "it has a colour table"
    if len(shown) == 1:
        return _single(look)
    if len(shown) == 4 and shown[:3] == ["red", "green", "blue"]:
        return RasterType.NIR, f"it has colour and a fourth band that is called {shown[3]}"
    if set(shown) == {"red", "green", "blue"} or (len(shown) == 3 and look.dtype == "uint8"):
        return _photo(look)
    return RasterType.MULTISPECTRAL, f"it has {len(shown)} bands that are no red, green and blue"


def classes(look: Look) -> list[int]:
    """The distinct whole numbers of a single band, as far as they are few enough to be classes."""
    if len([color for color in look.colors if color != "alpha"]) > 1:
        return []
    values = np.unique(np.ma.compressed(look.cells))
    whole = np.issubdtype(values.dtype, np.integer) and values.size <= LEGEND
    return [int(value) for value in values] if whole else []


def _photo(look: Look) -> tuple[RasterType, str]:
    if look.alpha is None:
        return RasterType.RGB, "it has three bands of colour"
    if _covers(look.alpha):
        return RasterType.RGBA, "its bands are red, green, blue and alpha"
    return RasterType.NIR, "its fourth band is called alpha but varies as a picture does"


def _covers(alpha: np.ndarray) -> bool:
    """GDAL calls the fourth band of any picture alpha; a real one is nearly all empty or full."""
    ends = (alpha == 0) | (alpha == alpha.max())
    return float(ends.mean()) > 0.8


def _single(look: Look) -> tuple[RasterType, str]:
    values = np.ma.compressed(look.cells)
    if values.size == 0:
        return RasterType.CONTINUOUS, "it has one band without any valid cell"
    if np.issubdtype(values.dtype, np.integer):
        if flood := DEPTHS.search(f"{look.name} {look.file}"):
            return RasterType.FLOOD_DEPTH, f"its name says {flood[0].lower()!r}"
        distinct = np.unique(values).size
        if distinct <= CLASSES:
            return RasterType.CATEGORICAL, f"it has one band of {distinct} distinct whole numbers"
    if flood := DEPTHS.search(look.name):
        return RasterType.FLOOD_DEPTH, f"its band is called {look.name!r} ({flood[0].lower()})"
    if any(word in look.name.lower() for word in HEIGHTS):
        return RasterType.DEM, f"its band is called {look.name!r}"
    return _relief(look, values)


def _relief(look: Look, values: np.ndarray) -> tuple[RasterType, str]:
    low, high = float(values.min()), float(values.max())
    step = _roughness(look.cells)
    if look.dtype in ("uint8", "int8") or not (LAND[0] <= low < high <= LAND[1]):
        return RasterType.CONTINUOUS, f"it has one band from {low:g} to {high:g}"
    if high - low > 5 and step < SMOOTH:
        return RasterType.DEM, f"it has one smooth band from {low:g} to {high:g}, as heights have"
    return RasterType.CONTINUOUS, f"it has one rough band from {low:g} to {high:g}"


def _roughness(cells: np.ma.MaskedArray) -> float:
    """The mean step between neighbours as a share of the standard deviation."""
    wide = np.ma.asarray(cells, dtype="float64")
    along = int(wide.shape[1] > 1)
    if wide.shape[along] < 2:
        return 1.0
    with np.errstate(invalid="ignore"):  # what is masked may be infinite
        spread, steps = wide.std(), np.ma.abs(np.ma.diff(wide, axis=along)).mean()
    return float(steps / spread) if spread and steps is not np.ma.masked else 1.0
