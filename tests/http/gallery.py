"""A catalog of small rasters in real storage, and the web app that shows them."""

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import numpy as np
from affine import Affine
from morecantile import Tile
from rasterio.io import MemoryFile

from core.blobs import BlobRef, Blobs
from core.memory.catalog import MemoryCatalog
from services.raster import cog
from services.raster.environment import gdal
from services.raster.inspect import inspect
from services.raster.models import COG_TYPE, RasterInfo, Tier
from services.raster.rendering import Rendering, as_renders, default
from services.tiles.grids import MERCATOR
from tests.support.idle import idle_machine
from triggers.http.app import WebApp, create_app
from triggers.http.services import Services

TILE = Tile(x=600, y=514, z=10)
"""Where the rasters lie: they cover this tile cell by cell, so that a tile shows exactly their values."""
SIDE = 512


def quiet(done: float, note: str) -> None:
    return None


class Dated(MemoryCatalog):
    """Finds the newest first, as a real catalog does when asked to."""

    def search(self, query: dict[str, Any]) -> dict[str, Any]:
        found = super().search({**query, "limit": 10_000})["features"]
        found.sort(key=lambda item: item["properties"]["datetime"], reverse=True)
        found = [
            item for item in found if query.get("datetime", "") in item["properties"]["datetime"]
        ]
        return {"type": "FeatureCollection", "features": found[: query["limit"]], "links": []}


@dataclass
class Gallery:
    """What can be shown. Rasters go through the pipeline that makes COGs of them."""

    blobs: Blobs
    catalog: MemoryCatalog = field(default_factory=Dated)
    container: str = field(default_factory=lambda: f"t{uuid4().hex[:12]}")

    def app(self, **more: Any) -> WebApp:
        return create_app(
            Services(idle_machine(self.blobs), None, self.blobs, self.catalog, **more)
        )

    def store(
        self, cells: np.ndarray, tile: Tile = TILE, **profile: Any
    ) -> tuple[BlobRef, RasterInfo]:
        """A COG of cells that cover a tile of the mercator grid."""
        name = uuid4().hex
        source = BlobRef(f"bronze/{self.container}/{name}.tif")
        target = BlobRef(f"silver/{self.container}/{name}.tif")
        self.blobs.write(source, tiff(cells, tile, **profile))
        info = inspect(self.blobs, source)
        cog.build(self.blobs, cog.Work(info, [Tier.ANALYSIS], lambda tier: target, "t-1"), quiet)
        return target, info

    def hang(
        self,
        cells: np.ndarray,
        *,
        name: str = "a",
        tile: Tile = TILE,
        taken: str = "2024-01-01",
        **profile: Any,
    ) -> BlobRef:
        """An item with one COG, shown as that kind of raster is by default."""
        ref, info = self.store(cells, tile, **profile)
        self.add(name, {"analysis": asset(ref)}, default(info), tile, taken)
        return ref

    def add(
        self,
        name: str,
        assets: dict[str, Any],
        rendering: Rendering | None = None,
        tile: Tile = TILE,
        taken: str = "2024-01-01",
    ) -> None:
        renders = {"renders": as_renders(rendering, list(assets))} if rendering else {}
        item = {
            "id": name,
            "collection": "hills",
            "bbox": list(MERCATOR.bounds(tile)),
            "properties": {"datetime": f"{taken}T00:00:00Z", **renders},
            "assets": assets,
        }
        self.catalog.add({"id": "hills"}, [item])

    def index(self, tiles: dict[BlobRef, Tile]) -> dict[str, Any]:
        """The asset that lists the files of a giant raster."""
        features = [
            {"id": str(n), "bbox": list(MERCATOR.bounds(tile)), "properties": {"href": str(ref)}}
            for n, (ref, tile) in enumerate(tiles.items())
        ]
        ref = BlobRef(f"silver/{self.container}/{uuid4().hex}.geojson")
        document = {"type": "FeatureCollection", "features": features}
        self.blobs.write(ref, json.dumps(document).encode(), content_type="application/geo+json")
        return {"href": str(ref), "type": "application/geo+json", "roles": ["tile-index"]}


def asset(ref: str, **more: Any) -> dict[str, Any]:
    return {"href": str(ref), "type": COG_TYPE, "roles": ["data"], **more}


def tiff(cells: np.ndarray, tile: Tile, **profile: Any) -> bytes:
    count, height, width = cells.shape
    west, south, east, north = MERCATOR.xy_bounds(tile)
    grid = Affine((east - west) / width, 0, west, 0, (south - north) / height, north)
    size = {"count": count, "height": height, "width": width, "dtype": cells.dtype}
    placed = {"crs": "EPSG:3857", "transform": grid, **size, **profile}
    with gdal(), MemoryFile() as memory:
        with memory.open(driver="GTiff", **placed) as out:
            out.write(cells)
        return memory.read()


def pixels(picture: bytes) -> np.ndarray:
    """Bands, rows, columns of a picture."""
    with gdal(), MemoryFile(picture) as memory, memory.open() as dataset:
        return dataset.read()


def ramp(dtype: str = "uint8", count: int = 1, step: int = 1) -> np.ndarray:
    """Cells that all differ from their neighbours."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    bands = [(rows * 7 + columns * 3 + 50 * band) % 251 * step for band in range(count)]
    return np.stack(bands).astype(dtype)
