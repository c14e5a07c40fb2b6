"""A small picture of one raster in storage, whether the catalog knows it or not."""

from typing import Any, cast

import rasterio

from core.blobs import BlobRef
from services.tiles.errors import CannotShow, told
from services.tiles.opener import ENVIRONMENT, Opener
from services.tiles.readers import Cog, CogReader

SIDE = 512
LEAST = 1e-9
MOST_PIXELS = 4_000_000
"""What is read at most: a raster of more needs overviews that are smaller."""


def thumbnail(opener: Opener, ref: BlobRef) -> bytes:
    """A PNG of its first band or the first three, stretched over what they hold."""
    reader_of = cast(Any, CogReader)
    with told(), rasterio.Env(**ENVIRONMENT), reader_of(Cog(ref, opener)) as reader:
        dataset = reader.dataset
        _refuse_what_is_dear(dataset, ref)
        bands = [1, 2, 3] if dataset.count >= 3 else [1]
        image = reader.preview(indexes=bands, max_size=SIDE)
        if dataset.dtypes[0] != "uint8":
            image.rescale([_range(found) for found in image.statistics().values()])
        return image.render(img_format="PNG")


def _range(found: Any) -> tuple[float, float]:
    """Without the outermost values; never empty, also where all values are one."""
    return found.percentile_2, max(found.percentile_98, found.percentile_2 + LEAST)


def _refuse_what_is_dear(dataset: Any, ref: BlobRef) -> None:
    shrunk = max(dataset.overviews(1), default=1)
    if dataset.width * dataset.height / shrunk**2 > MOST_PIXELS:
        raise CannotShow(
            f"{ref} has {dataset.width} x {dataset.height} pixels and no overview small enough to look at; "
            "process_raster makes one that has"
        )
