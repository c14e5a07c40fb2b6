"""Each kind of raster is shown well without anyone saying how, and an item keeps what was chosen."""

import json
from itertools import pairwise
from typing import Any

import pytest
from rio_tiler.colormap import cmap

from core.blobs import BlobRef
from core.errors import BadInput
from services.raster import rendering
from services.raster.models import Band, Grid, RasterInfo, RasterType, Statistics
from services.raster.rendering import Rendering

EMPTY = Statistics(minimum=None, maximum=None, mean=None, valid_share=0.0)
GRID = Grid(
    width=64,
    height=64,
    crs="EPSG:32736",
    transform=(30, 0, 161_000, 0, -30, 9_796_000),
    bounds=(161_000, 9_794_080, 162_920, 9_796_000),
    bounds_lonlat=(29.95, -1.86, 29.97, -1.84),
)


def span(low: float, high: float, **more: float) -> Statistics:
    return Statistics(minimum=low, maximum=high, mean=(low + high) / 2, valid_share=1.0, **more)


def raster(kind: RasterType, *bands: Band, dtype: str = "float32", **more: Any) -> RasterInfo:
    return RasterInfo(
        source=BlobRef("bronze/uploads/a.tif"),
        size=1,
        driver="GTiff",
        grid=GRID,
        dtype=dtype,
        bands=list(bands),
        raster_type=kind,
        reason="the test says so",
        **more,
    )


def band(color: str = "gray", found: Statistics = EMPTY, name: str = "b1") -> Band:
    return Band(name=name, color=color, statistics=found)


def photo(found: Statistics, dtype: str, *colors: str) -> RasterInfo:
    kind = RasterType.RGBA if "alpha" in colors else RasterType.RGB
    return raster(kind, *(band(color, found) for color in colors), dtype=dtype)


def test_a_picture_of_bytes_is_shown_as_it_is():
    found = rendering.default(photo(span(0, 255), "uint8", "red", "green", "blue", "alpha"))
    assert (found.bidx, found.rescale, found.colormap_name) == ([1, 2, 3], [], None)


def test_a_picture_of_words_is_spread_over_what_most_cells_hold():
    info = photo(span(3, 60_000, p2=200, p98=3_000), "uint16", "red", "green", "blue")
    assert rendering.default(info).rescale == [(200, 3_000)] * 3


def test_without_percentiles_the_whole_range_is_spread():
    info = photo(span(3, 60_000), "uint16", "red", "green", "blue")
    assert rendering.default(info).rescale == [(3, 60_000)] * 3


def test_colours_are_found_wherever_they_stand():
    info = raster(
        RasterType.MULTISPECTRAL,
        *(band("undefined", span(0, 9), name) for name in ("Blue", "Green", "Red", "NIR")),
        dtype="uint16",
    )
    assert rendering.default(info).bidx == [3, 2, 1]
    nir = info.model_copy(update={"raster_type": RasterType.NIR})
    assert rendering.default(nir).bidx == [4, 3, 2]


@pytest.mark.parametrize(
    ("kind", "bidx"), [(RasterType.MULTISPECTRAL, [3, 2, 1]), (RasterType.NIR, [4, 1, 2])]
)
def test_bands_that_say_nothing_are_taken_as_such_files_usually_have_them(kind, bidx):
    info = raster(kind, *(band("undefined", span(0, 9), f"b{n}") for n in range(1, 5)))
    assert rendering.default(info).bidx == bidx


def test_two_bands_are_no_colours():
    info = raster(RasterType.MULTISPECTRAL, band(found=span(0, 9)), band(found=span(0, 9)))
    assert rendering.default(info).bidx == [1]


def test_heights_depths_and_the_rest_have_colours_that_exist():
    kinds = {RasterType.DEM: (-3, 900), RasterType.FLOOD_DEPTH: (0, 900)}
    for kind in (*kinds, RasterType.CONTINUOUS):
        found = rendering.default(raster(kind, band(found=span(-3, 900, p2=10, p98=700))))
        assert found.colormap_name in cmap.list()
        assert found.rescale == [kinds.get(kind, (10, 700))]


@pytest.mark.parametrize("kind", RasterType)
@pytest.mark.parametrize("found", [EMPTY, span(0, 0), span(-7, -7), span(5, 5, p2=5, p98=5)])
@pytest.mark.parametrize("count", [1, 3, 4])
def test_no_range_is_ever_empty(kind: RasterType, found: Statistics, count: int):
    info = raster(kind, *(band("gray", found) for _ in range(count)))
    for low, high in rendering.default(info).rescale:
        assert low < high


def test_odd_cells_at_the_ends_of_a_flat_raster_still_show():
    info = raster(RasterType.CONTINUOUS, band(found=span(0, 40, p2=0, p98=0)))
    assert rendering.default(info).rescale == [(0, 40)]


def test_a_colour_table_is_kept():
    palette = {0: (0, 0, 0, 0), 7: (10, 20, 30, 255)}
    info = raster(RasterType.CATEGORICAL, band("palette"), has_palette=True, palette=palette)
    assert rendering.default(info).colormap == palette


def test_a_colour_table_that_nobody_copied_is_left_to_the_file():
    info = raster(RasterType.CATEGORICAL, band("palette", span(0, 9)), has_palette=True)
    many = dict.fromkeys(range(65536), (1, 2, 3, 255))
    found = rendering.default(info.model_copy(update={"palette": many}))
    assert (found.colormap, found.colormap_name) == ({}, None)


def test_classes_get_colours_that_can_be_told_apart():
    info = raster(RasterType.CATEGORICAL, band(found=span(10, 95)), classes=[10, 20, 30, 95])
    found = rendering.default(info).colormap
    assert list(found) == [10, 20, 30, 95]
    for one, other in pairwise(found.values()):
        assert sum(abs(a - b) for a, b in zip(one, other, strict=True)) > 100


def test_classes_that_nobody_listed_are_all_whole_numbers_between_the_ends():
    info = raster(RasterType.CATEGORICAL, band(found=span(1, 5)), dtype="uint8")
    assert list(rendering.default(info).colormap) == [1, 2, 3, 4, 5]


def test_too_many_classes_are_shown_as_a_range():
    info = raster(RasterType.CATEGORICAL, band(found=span(0, 70_000)), dtype="uint32")
    found = rendering.default(info)
    assert (found.colormap, found.rescale) == ({}, [(0, 70_000)])


@pytest.mark.parametrize("kind", RasterType)
def test_an_item_gives_back_the_rendering_it_was_given(kind: RasterType):
    chosen = rendering.default(raster(kind, *(band(found=span(0, 4)) for _ in range(3))))
    renders = json.loads(json.dumps(rendering.as_renders(chosen, ["analysis"])))
    item = {"id": "a", "properties": {"renders": renders}}
    assert renders["default"]["assets"] == ["analysis"]
    assert rendering.from_item(item, "analysis") == chosen
    assert rendering.from_item(item, "visualization") == Rendering()


def test_an_item_without_renderings_is_shown_plainly():
    assert rendering.from_item({"id": "a", "properties": {}}, "analysis") == Rendering()


def test_a_rendering_that_is_not_right_is_told_with_its_place():
    renders = {"x": {"assets": ["data"], "rescale": [["low", "high"]]}}
    with pytest.raises(BadInput, match=r"'x' of item a is not right at rescale\.0\.0"):
        rendering.from_item({"id": "a", "properties": {"renders": renders}}, "data")
