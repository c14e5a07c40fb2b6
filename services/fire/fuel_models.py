"""The standard fuel models: Anderson's 13 (1982) and the 40 of Scott and Burgan (2005).

The numbers are those of the publications of the US Forest Service (INT-122, RMRS-GTR-153).
"""

from enum import IntEnum
from functools import cache
from typing import Any, NamedTuple

import numpy as np

COLUMNS = 13
CODES = 257
"""Codes are below this, so that a table can be asked by code."""


class Barrier(IntEnum):
    """Codes of what does not burn."""

    URBAN = 91
    SNOW = 92
    AGRICULTURE = 93
    WATER = 98
    BARREN = 99


class FuelModel(NamedTuple):
    """A fuel bed in the units of its publication.

    Loads in lb/ft2, surface-to-volume ratios in 1/ft, depth in ft, the moisture of extinction in percent, heat content in
    BTU/lb. In a dynamic model herbs that dry count as dead fuel.
    """

    code: int
    name: str
    dynamic: bool
    one_hour: float
    ten_hours: float
    hundred_hours: float
    herbs: float
    wood: float
    ratio: float
    ratio_herbs: float
    ratio_wood: float
    depth: float
    extinction: float
    heat: float

    @property
    def row(self) -> tuple[float, ...]:
        """As the kernels want it."""
        loads = self.one_hour, self.ten_hours, self.hundred_hours, self.herbs, self.wood
        ratios = self.ratio, self.ratio_herbs, self.ratio_wood
        return (
            1.0,
            float(self.dynamic),
            *loads,
            *ratios,
            self.depth,
            self.extinction / 100,
            self.heat,
        )


# fmt: off
ANDERSON = (
    FuelModel(1, "1", False, 0.034, 0, 0, 0, 0, 3500, 0, 0, 1, 12, 8000),
    FuelModel(2, "2", False, 0.092, 0.046, 0.023, 0.023, 0, 3000, 1500, 0, 1, 15, 8000),
    FuelModel(3, "3", False, 0.138, 0, 0, 0, 0, 1500, 0, 0, 2.5, 25, 8000),
    FuelModel(4, "4", False, 0.23, 0.184, 0.092, 0, 0.23, 2000, 0, 1500, 6, 20, 8000),
    FuelModel(5, "5", False, 0.046, 0.023, 0, 0, 0.092, 2000, 0, 1500, 2, 20, 8000),
    FuelModel(6, "6", False, 0.069, 0.115, 0.092, 0, 0, 1750, 0, 0, 2.5, 25, 8000),
    FuelModel(7, "7", False, 0.052, 0.086, 0.069, 0, 0.017, 1750, 0, 1550, 2.5, 40, 8000),
    FuelModel(8, "8", False, 0.069, 0.046, 0.115, 0, 0, 2000, 0, 0, 0.2, 30, 8000),
    FuelModel(9, "9", False, 0.134, 0.019, 0.007, 0, 0, 2500, 0, 0, 0.2, 25, 8000),
    FuelModel(10, "10", False, 0.138, 0.092, 0.23, 0, 0.092, 2000, 0, 1500, 1, 25, 8000),
    FuelModel(11, "11", False, 0.069, 0.207, 0.253, 0, 0, 1500, 0, 0, 1, 15, 8000),
    FuelModel(12, "12", False, 0.184, 0.644, 0.759, 0, 0, 1500, 0, 0, 2.3, 20, 8000),
    FuelModel(13, "13", False, 0.322, 1.058, 1.288, 0, 0, 1500, 0, 0, 3, 25, 8000),
)
SCOTT_BURGAN = (
    FuelModel(101, "GR1", True, 0.00459, 0, 0, 0.01377, 0, 2200, 2000, 0, 0.4, 15, 8000),
    FuelModel(102, "GR2", True, 0.00459, 0, 0, 0.04591, 0, 2000, 1800, 0, 1, 15, 8000),
    FuelModel(103, "GR3", True, 0.00459, 0.01837, 0, 0.06887, 0, 1500, 1300, 0, 2, 30, 8000),
    FuelModel(104, "GR4", True, 0.01148, 0, 0, 0.08724, 0, 2000, 1800, 0, 2, 15, 8000),
    FuelModel(105, "GR5", True, 0.01837, 0, 0, 0.11478, 0, 1800, 1600, 0, 1.5, 40, 8000),
    FuelModel(106, "GR6", True, 0.00459, 0, 0, 0.15611, 0, 2200, 2000, 0, 1.5, 40, 9000),
    FuelModel(107, "GR7", True, 0.04591, 0, 0, 0.24793, 0, 2000, 1800, 0, 3, 15, 8000),
    FuelModel(108, "GR8", True, 0.02296, 0.04591, 0, 0.33517, 0, 1500, 1300, 0, 4, 30, 8000),
    FuelModel(109, "GR9", True, 0.04591, 0.04591, 0, 0.41322, 0, 1800, 1600, 0, 5, 40, 8000),
    FuelModel(121, "GS1", True, 0.00918, 0, 0, 0.02296, 0.02984, 2000, 1800, 1800, 0.9, 15, 8000),
    FuelModel(122, "GS2", True, 0.02296, 0.02296, 0, 0.02755, 0.04591, 2000, 1800, 1800, 1.5, 15, 8000),
    FuelModel(123, "GS3", True, 0.01377, 0.01148, 0, 0.06657, 0.05739, 1800, 1600, 1600, 1.8, 40, 8000),
    FuelModel(124, "GS4", True, 0.08724, 0.01377, 0.00459, 0.15611, 0.32599, 1800, 1600, 1600, 2.1, 40, 8000),
    FuelModel(141, "SH1", True, 0.01148, 0.01148, 0, 0.00689, 0.05969, 2000, 1800, 1600, 1, 15, 8000),
    FuelModel(142, "SH2", False, 0.06198, 0.11019, 0.03444, 0, 0.17677, 2000, 0, 1600, 1, 15, 8000),
    FuelModel(143, "SH3", False, 0.02066, 0.13774, 0, 0, 0.28466, 1600, 0, 1400, 2.4, 40, 8000),
    FuelModel(144, "SH4", False, 0.03903, 0.0528, 0.00918, 0, 0.11708, 2000, 0, 1600, 3, 30, 8000),
    FuelModel(145, "SH5", False, 0.16529, 0.09642, 0, 0, 0.13315, 750, 0, 1600, 6, 15, 8000),
    FuelModel(146, "SH6", False, 0.13315, 0.06657, 0, 0, 0.06428, 750, 0, 1600, 2, 30, 8000),
    FuelModel(147, "SH7", False, 0.1607, 0.24334, 0.10101, 0, 0.15611, 750, 0, 1600, 6, 15, 8000),
    FuelModel(148, "SH8", False, 0.09412, 0.15611, 0.03903, 0, 0.19972, 750, 0, 1600, 3, 40, 8000),
    FuelModel(149, "SH9", True, 0.20661, 0.11249, 0, 0.07117, 0.3214, 750, 1800, 1500, 4.4, 40, 8000),
    FuelModel(161, "TU1", True, 0.00918, 0.04132, 0.06887, 0.00918, 0.04132, 2000, 1800, 1600, 0.6, 20, 8000),
    FuelModel(162, "TU2", False, 0.04362, 0.08264, 0.05739, 0, 0.00918, 2000, 0, 1600, 1, 30, 8000),
    FuelModel(163, "TU3", True, 0.05051, 0.00689, 0.01148, 0.02984, 0.05051, 1800, 1600, 1400, 1.3, 30, 8000),
    FuelModel(164, "TU4", False, 0.20661, 0, 0, 0, 0.09183, 2300, 0, 2000, 0.5, 12, 8000),
    FuelModel(165, "TU5", False, 0.18365, 0.18365, 0.13774, 0, 0.13774, 1500, 0, 750, 1, 25, 8000),
    FuelModel(181, "TL1", False, 0.04591, 0.10101, 0.16529, 0, 0, 2000, 0, 0, 0.2, 30, 8000),
    FuelModel(182, "TL2", False, 0.06428, 0.1056, 0.10101, 0, 0, 2000, 0, 0, 0.2, 25, 8000),
    FuelModel(183, "TL3", False, 0.02296, 0.10101, 0.12856, 0, 0, 2000, 0, 0, 0.3, 20, 8000),
    FuelModel(184, "TL4", False, 0.02296, 0.06887, 0.19284, 0, 0, 2000, 0, 0, 0.4, 25, 8000),
    FuelModel(185, "TL5", False, 0.0528, 0.11478, 0.20202, 0, 0, 2000, 0, 0, 0.6, 25, 8000),
    FuelModel(186, "TL6", False, 0.11019, 0.0551, 0.0551, 0, 0, 2000, 0, 0, 0.3, 25, 8000),
    FuelModel(187, "TL7", False, 0.01377, 0.06428, 0.3719, 0, 0, 2000, 0, 0, 0.4, 25, 8000),
    FuelModel(188, "TL8", False, 0.2663, 0.06428, 0.05051, 0, 0, 1800, 0, 0, 0.3, 35, 8000),
    FuelModel(189, "TL9", False, 0.30533, 0.15152, 0.19054, 0, 0, 1800, 0, 0, 0.6, 35, 8000),
    FuelModel(201, "SB1", False, 0.06887, 0.13774, 0.50505, 0, 0, 2000, 0, 0, 1, 25, 8000),
    FuelModel(202, "SB2", False, 0.20661, 0.19513, 0.18365, 0, 0, 2000, 0, 0, 1, 25, 8000),
    FuelModel(203, "SB3", False, 0.25253, 0.12626, 0.13774, 0, 0, 2000, 0, 0, 1.2, 25, 8000),
    FuelModel(204, "SB4", False, 0.24105, 0.1607, 0.24105, 0, 0, 2000, 0, 0, 2.7, 25, 8000),
)
# fmt: on

MODELS = {model.code: model for model in (*ANDERSON, *SCOTT_BURGAN)}


@cache
def table() -> np.ndarray[Any, np.dtype[np.float64]]:
    """A row per code; rows of zeros are barriers and codes that no model has."""
    rows = np.zeros((CODES, COLUMNS))
    for model in MODELS.values():
        rows[model.code] = model.row
    rows.flags.writeable = False
    return rows


def is_known(code: int) -> bool:
    return code in MODELS or code in set(Barrier)
