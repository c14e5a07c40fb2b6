"""A few datasets, so that home and the catalog have something to show."""

from typing import Any

import numpy as np
from affine import Affine
from rasterio.io import MemoryFile

from core.blobs import BlobRef, Blobs
from core.catalog import Catalog
from services.raster.models import COG_TYPE

Box = tuple[float, float, float, float]
PLACES: dict[str, Box] = {
    "kigali-hills": (29.9, -2.1, 30.2, -1.8),
    "lake-kivu<img src=x onerror=alert(1)>": (28.8, -2.5, 29.4, -1.5),
    "alps-dem": (6.0, 45.0, 11.0, 47.5),
    "andes-snow": (-71.0, -34.0, -69.0, -31.0),
}


def fill(catalog: Catalog) -> None:
    items = [
        {
            "type": "Feature",
            "id": name,
            "collection": "samples",
            "bbox": list(box),
            "geometry": None,
            "properties": {
                "datetime": "2026-01-01T00:00:00Z",
                "created": "2026-01-01T00:00:00Z",
            },
            "assets": {},
            "links": [],
        }
        for name, box in PLACES.items()
    ]
    catalog.add({"id": "samples", "type": "Collection"}, items)


BOX: Box = (29.0, -2.0, 29.5, -1.5)


def hang(
    blobs: Blobs,
    catalog: Catalog,
    name: str = "hills",
    box: Box = BOX,
    title: str = "Analysis <b>tier</b>",
    **told: Any,
) -> str:
    """A landscape of two bands, and a coarser picture of it; where its page is. `told`: further properties."""
    rows, columns = np.mgrid[0:256, 0:256] / 255
    turned = 0.0 if box == BOX else box[0]
    height = 1500 + 900 * np.sin(5 * columns + turned) * np.cos(4 * rows + turned) + 300 * rows
    fine, coarse = BlobRef(f"silver/{name}/hills.tif"), BlobRef(f"silver/{name}/coarse.tif")
    blobs.write(fine, _tiff(np.stack([height, columns * 100]), box), content_type=COG_TYPE)
    blobs.write(coarse, _tiff(height[None, ::8, ::8], box), content_type=COG_TYPE)
    look = {"bidx": [1], "rescale": [[600, 2700]], "colormap_name": "terrain"}
    item: dict[str, Any] = {
        "type": "Feature",
        "id": name,
        "collection": "samples",
        "bbox": list(box),
        "geometry": None,
        "properties": {
            "datetime": "2026-02-01T00:00:00Z",
            "renders": {"default": {**look, "assets": ["analysis", "overview"]}},
            "gsd": 200,
            **told,
        },
        "assets": {
            "analysis": {"href": str(fine), "type": COG_TYPE, "title": title},
            "overview": {"href": str(coarse), "type": COG_TYPE, "title": "Overview"},
        },
        "links": [],
    }
    catalog.add({"id": "samples", "type": "Collection"}, [item])
    return f"/catalog/samples/{name}"


def _tiff(cells: np.ndarray, box: Box) -> bytes:
    count, height, width = cells.shape
    west, south, east, north = box
    grid = Affine((east - west) / width, 0, west, 0, (south - north) / height, north)
    shape: dict[str, Any] = {"count": count, "height": height, "width": width, "dtype": "float32"}
    with MemoryFile() as file:
        with file.open(driver="GTiff", crs="EPSG:4326", transform=grid, **shape) as out:
            out.write(cells.astype("float32"))
        return file.read()
