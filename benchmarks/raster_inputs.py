"""Rasters to measure with: real texture where there is some, a made landscape otherwise, tiled to any size."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window

from benchmarks.rig import ROOT
from services.raster import sample

REAL = ROOT.parent / "shared/data/raster/m_4709963_se_14_1_20090818.tif"
BLOCK = 512
PLACE = {"crs": "EPSG:32614", "transform": Affine(1, 0, 300_000, 0, -1, 5_200_000)}


@dataclass(frozen=True, slots=True)
class Input:
    """A GeoTIFF to be made: its cells are a texture, again and again."""

    name: str
    width: int
    height: int
    texture: Callable[[], np.ndarray]
    more: tuple[tuple[str, Any], ...] = ()
    """Creation options, and nodata."""
    wanted: Callable[[int, int], bool] = lambda row, column: True
    """Which blocks are written at all."""

    def write(self, folder: Path) -> Path:
        file = folder / f"{self.name.replace(' ', '-')}.tif"
        cells = self.texture()
        with rasterio.open(file, "w", **self._profile(cells)) as target:
            for window in self._windows():
                target.write(_repeated(cells, window), window=window)
        return file

    def _profile(self, cells: np.ndarray) -> dict[str, Any]:
        size = {"width": self.width, "height": self.height, "count": len(cells)}
        blocks = {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "bigtiff": "IF_SAFER"}
        color = {"photometric": "rgb"} if len(cells) == 3 else {}
        usual = {"driver": "GTiff", "dtype": cells.dtype.name, **PLACE}
        return {**usual, **size, **blocks, **color, **dict(self.more)}

    def _windows(self) -> Iterable[Window]:
        for y in range(0, self.height, BLOCK):
            for x in range(0, self.width, BLOCK):
                if self.wanted(y // BLOCK, x // BLOCK):
                    size = min(BLOCK, self.width - x), min(BLOCK, self.height - y)
                    yield Window(x, y, *size)  # type: ignore[call-arg]


def colour() -> np.ndarray:
    """Three bands of a photograph from the air."""
    if REAL.exists():
        with rasterio.open(REAL) as found:
            return found.read([1, 2, 3])
    return _made_colour(1024)


def heights() -> np.ndarray:
    return sample.heights(1024)[None]


def classes() -> np.ndarray:
    """Nine classes that lie together, as land cover does."""
    land = sample.heights(1024)
    edges = np.quantile(land, np.linspace(0, 1, 10)[1:-1])
    return (np.digitize(land, edges) * 10).astype("uint8")[None]


def _made_colour(size: int) -> np.ndarray:
    rng = np.random.default_rng(sample.SEED)
    land = sample.heights(size)
    scaled = 255 * (land - land.min()) / np.ptp(land)
    noise = rng.normal(0, 6, (3, size, size))
    return np.clip(scaled + noise, 0, 255).astype("uint8")


def _repeated(cells: np.ndarray, window: Window) -> np.ndarray:
    rows = (np.arange(window.height) + window.row_off) % cells.shape[1]
    columns = (np.arange(window.width) + window.col_off) % cells.shape[2]
    return cells[:, rows[:, None], columns[None, :]]
