"""From land cover to fuel: which fuel model stands for which class, and what is assumed where none is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from core.errors import BadInput
from services.fire.fuel_models import Barrier, is_known
from services.fire.rothermel import Array

GRASS, COARSE_GRASS, SPARSE_GRASS = 102, 103, 101
GRASS_AND_SHRUB, SHRUB, HEATH = 122, 145, 142
WOOD_AND_SHRUB, BROADLEAF, CONIFER = 161, 186, 183
DEFAULT = GRASS_AND_SHRUB
"""Where nothing is known of the land: neither the fastest fuel nor a slow one."""


class LandCover(StrEnum):
    """The legends that can be read."""

    WORLDCOVER = "worldcover"
    """ESA WorldCover, 10 m."""
    COPERNICUS = "copernicus"
    """Copernicus Global Land Cover, 100 m."""
    CORINE = "corine"
    """CORINE Land Cover, level 3, by its three digits."""
    FUEL = "fuel"
    """Fuel model codes already, as LANDFIRE FBFM40 or FBFM13."""


WORLDCOVER: dict[int, int] = {
    10: WOOD_AND_SHRUB,
    20: GRASS_AND_SHRUB,
    30: GRASS,
    40: SPARSE_GRASS,  # crops: they carry fire when ripe, hardly before
    50: Barrier.URBAN,
    60: Barrier.BARREN,
    70: Barrier.SNOW,
    80: Barrier.WATER,
    90: COARSE_GRASS,
    95: Barrier.WATER,  # mangroves stand in it
    100: SPARSE_GRASS,
}
COPERNICUS: dict[int, int] = {
    20: GRASS_AND_SHRUB,
    30: GRASS,
    40: SPARSE_GRASS,
    50: Barrier.URBAN,
    60: Barrier.BARREN,
    70: Barrier.SNOW,
    80: Barrier.WATER,
    90: COARSE_GRASS,
    100: SPARSE_GRASS,
    **dict.fromkeys((111, 113), CONIFER),
    **dict.fromkeys((112, 114), BROADLEAF),
    **dict.fromkeys((115, 116, 121, 122, 123, 124, 125, 126), WOOD_AND_SHRUB),
    200: Barrier.WATER,
}
CORINE: dict[int, int] = {
    **dict.fromkeys((111, 112, 121, 122, 123, 124, 132, 133, 142), Barrier.URBAN),
    **dict.fromkeys((131, 331, 332), Barrier.BARREN),
    **dict.fromkeys((141, 211, 241, 242), SPARSE_GRASS),
    **dict.fromkeys((212, 213), Barrier.AGRICULTURE),  # irrigated, rice
    **dict.fromkeys((221, 222, 223), SPARSE_GRASS),
    **dict.fromkeys((231, 243, 321), GRASS),
    244: GRASS_AND_SHRUB,
    311: BROADLEAF,
    312: CONIFER,
    313: WOOD_AND_SHRUB,
    322: HEATH,
    323: SHRUB,
    324: WOOD_AND_SHRUB,
    333: SPARSE_GRASS,
    334: Barrier.BARREN,  # burnt a short while ago
    335: Barrier.SNOW,
    **dict.fromkeys((411, 421), COARSE_GRASS),
    412: HEATH,
    **dict.fromkeys((422, 423), Barrier.BARREN),
    **dict.fromkeys((511, 512, 521, 522, 523), Barrier.WATER),
}
CROSSWALKS: dict[LandCover, dict[int, int]] = {
    LandCover.WORLDCOVER: WORLDCOVER,
    LandCover.COPERNICUS: COPERNICUS,
    LandCover.CORINE: CORINE,
    LandCover.FUEL: {},
}


@dataclass(frozen=True, slots=True, eq=False)
class FuelMap:
    """Fuel model codes, and how much of them is assumed rather than read."""

    codes: Array
    source: str
    assumed: float
    """The share of cells that got the default."""
    default: int
    warnings: tuple[str, ...] = ()

    @property
    def is_fallback(self) -> bool:
        """Nothing at all was known of the land."""
        return self.assumed >= 1


def from_cover(
    classes: Array,
    legend: LandCover,
    *,
    nodata: int | None = None,
    default: int = DEFAULT,
    instead: Mapping[int, int] | None = None,
) -> FuelMap:
    """Fuel for every cell of a land cover map. `instead` overrules the crosswalk class by class."""
    classes = np.asarray(classes)
    if classes.dtype.kind not in "iu":
        raise BadInput(f"classes of land cover are whole numbers, not {classes.dtype}")
    crosswalk = CROSSWALKS[legend] | dict(instead or {})
    _refuse_unknown([default, *crosswalk.values()])
    present, place, counts = np.unique(classes, return_inverse=True, return_counts=True)
    codes = np.full(present.size, default, np.uint8)
    strange = []
    for n, value in enumerate(int(value) for value in present):
        if value in crosswalk:
            codes[n] = crosswalk[value]
        elif legend is LandCover.FUEL and value != nodata and is_known(value):
            codes[n] = value
        else:
            strange.append((value, int(counts[n])))
    assumed = sum(count for _, count in strange) / classes.size
    return FuelMap(
        codes[place].reshape(classes.shape),
        legend.value,
        assumed,
        default,
        tuple(_told(value, count, nodata, default) for value, count in strange),
    )


def assumed(shape: tuple[int, int], default: int = DEFAULT) -> FuelMap:
    """One fuel everywhere, for places without a map, and a warning that says so."""
    _refuse_unknown([default])
    warning = (
        f"no land cover here: fuel model {default} is assumed everywhere, water and towns included"
    )
    return FuelMap(np.full(shape, default, np.uint8), "default", 1.0, default, (warning,))


def _told(value: int, count: int, nodata: int | None, default: int) -> str:
    what = "no class" if value == nodata else f"the unknown class {value}"
    return f"{count} cells of {what} got fuel model {default}"


def _refuse_unknown(codes: list[int]) -> None:
    for code in codes:
        if not is_known(int(code)):
            raise BadInput(f"no fuel model has the code {code}; known are 1 to 13, 101 to 204")
