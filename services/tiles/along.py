"""One place through all bands of a raster."""

from typing import Any, cast

import numpy as np
import rasterio

from core.blobs import BlobRef
from services.tiles.errors import told
from services.tiles.opener import ENVIRONMENT, Opener
from services.tiles.readers import Cog, CogReader


def bands_at(
    opener: Opener, ref: BlobRef, lon: float, lat: float, most: int
) -> list[tuple[str, float | None]]:
    """What each band is called, and its value there; None where it has none."""
    reader_of = cast(Any, CogReader)
    with told(), rasterio.Env(**ENVIRONMENT), reader_of(Cog(ref, opener)) as reader:
        dataset = reader.dataset
        indexes = list(dataset.indexes[:most])
        found = np.ma.filled(reader.point(lon, lat, indexes=indexes).array.astype("f8"), np.nan)
    names = [name or "" for name in dataset.descriptions]
    values = [float(value) if np.isfinite(value) else None for value in found]
    return list(zip(names, values, strict=False))
