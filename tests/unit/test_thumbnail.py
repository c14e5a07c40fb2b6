"""A small picture of any raster, and of none that would be dear to look at."""

from contextlib import contextmanager

import numpy as np
import pytest
from rasterio.io import MemoryFile

from core.blobs import BlobRef
from services.tiles import thumbnail
from services.tiles.errors import CannotShow
from tests.support.rasters import hills, photo, tiff

pytestmark = pytest.mark.filterwarnings("ignore::rio_tiler.errors.NoOverviewWarning")
REF = BlobRef("bronze/looks/a.tif")


def seen(data: bytes) -> np.ndarray:
    @contextmanager
    def opener(_ref: BlobRef):
        with MemoryFile(data) as memory, memory.open() as dataset:
            yield dataset

    with MemoryFile(thumbnail.thumbnail(opener, REF)) as memory, memory.open() as picture:
        assert picture.driver == "PNG"
        return picture.read()


def test_heights_are_stretched_over_what_they_hold() -> None:
    grey = seen(tiff(hills(1_000)))
    assert max(grey.shape[1:]) == thumbnail.SIDE
    assert grey[0].min() < 20
    assert grey[0].max() > 235


def test_a_photo_keeps_its_colours() -> None:
    cells = photo(64)
    assert np.array_equal(seen(tiff(cells))[:3], cells)


def test_a_raster_of_one_value_is_shown_too() -> None:
    assert seen(tiff(np.full((16, 16), 3.0, "float32"))).shape[1:] == (16, 16)


def test_a_giant_without_overviews_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnail, "MOST_PIXELS", 1_000)
    with pytest.raises(CannotShow, match="no overview small enough"):
        seen(tiff(hills(64)))
