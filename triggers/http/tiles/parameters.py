"""What a caller may say about a picture, and what the item's own rendering says where the caller does not."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from pydantic import AfterValidator, Field
from titiler.core.dependencies import DefaultDependency, HistogramParams

from services.raster.rendering import Rendering, Resampling
from services.tiles import colors
from services.tiles.atlas import Source
from triggers.http.problems import invalid_parameters
from triggers.http.tiles.limits import SIDE

BANDS = 16
USUAL, SMALL = 1024, 512

Side = Annotated[int | None, Field(ge=1, le=SIDE, description="Pixels; width and height together.")]
Longest = Annotated[int | None, Field(ge=1, le=SIDE, description="Pixels along the longer side.")]
Bidx = Annotated[
    list[Annotated[int, Field(ge=1, le=10_000)]] | None,
    Query(max_length=BANDS, description="Bands, the first being 1. Without the default rendering."),
]
Rescale = Annotated[
    list[Annotated[str, Field(pattern=r"^-?[\d.eE+-]+,-?[\d.eE+-]+$", max_length=64)]] | None,
    Query(
        max_length=BANDS, description="low,high: what becomes black and white; once or per band."
    ),
]
ColormapName = Annotated[str | None, Query(description="A colour map by name.", max_length=64)]
Colormap = Annotated[
    str | None,
    Query(
        max_length=16_384, description='Colours by value: {"1": [0, 0, 255, 255]} or {"1": "#00f"}.'
    ),
]
Nodata = Annotated[float | None, Query(description="The value of cells that are empty.")]
Unscale = Annotated[bool | None, Query(description="Apply the file's own scale and offset.")]
Sampling = Annotated[Resampling | None, Query(description="How cells become pixels.")]
Mask = Annotated[
    bool | None, Query(alias="return_mask", description="Empty cells are transparent.")
]


def _halves(value: float | None) -> float | None:
    if value is not None and value % 0.5:
        raise ValueError("a multiple of 0.5")
    return value


class Given(DefaultDependency):
    """What goes to a function of titiler, by name."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


@dataclass
class Tile(DefaultDependency):
    """Cells around a tile, for smooth seams."""

    buffer: Annotated[
        float | None,
        Query(gt=0, le=64, description="Pixels around the tile."),
        AfterValidator(_halves),
    ] = None
    padding: Annotated[int | None, Query(gt=0, le=64, description="Cells read around it.")] = None


@dataclass
class Size(DefaultDependency):
    """How large a picture is, unless it is a tile."""

    max_size: Longest = USUAL
    height: Side = None
    width: Side = None

    def __post_init__(self) -> None:
        if self.width:
            self.max_size = None


@dataclass
class SmallSize(DefaultDependency):
    """How many cells the statistics of a shape look at."""

    max_size: Annotated[int, Field(ge=1, le=SMALL)] = SMALL


@dataclass
class Statistics(DefaultDependency):
    """What is counted."""

    categorical: Annotated[bool | None, Query(description="Count each value.")] = None
    categories: Annotated[
        list[float] | None, Query(alias="c", max_length=256, description="Count these values.")
    ] = None
    percentiles: Annotated[
        list[Annotated[int, Field(ge=0, le=100)]] | None,
        Query(alias="p", max_length=32, description="Percentiles; 2 and 98 if none is given."),
    ] = None


@dataclass
class Histogram(HistogramParams):
    """How values are counted by size."""

    bins: Annotated[
        str | None,
        Query(alias="histogram_bins", pattern=r"^[1-9]\d{0,2}$", description="How many."),
    ] = None


async def no_process() -> None:
    """Pictures are not computed upon."""


@dataclass(frozen=True)
class Look:
    """The parameters that the rendering of a source fills in."""

    bands: Callable[..., Any]
    colors: Callable[..., Any]
    render: Callable[..., Any]
    dataset: Callable[..., Any]


def look(source: Callable[..., Source]) -> Look:
    """Whoever names bands, or asks for values, gets them plainly. Else the caller's word replaces the default's."""
    shown = Depends(source)

    async def usual(request: Request, given: Source = shown, bidx: Bidx = None) -> Rendering:
        is_raw = request.path_params.get("format") in colors.RAW
        return (
            Rendering(resampling=given.rendering.resampling) if bidx or is_raw else given.rendering
        )

    rest = Depends(usual)

    async def bands(rendering: Rendering = rest, bidx: Bidx = None) -> Given:
        return Given(indexes=bidx or rendering.bidx or None)

    async def painted(
        rendering: Rendering = rest,
        colormap_name: ColormapName = None,
        colormap: Colormap = None,
    ) -> Any:
        if colormap_name or colormap:
            return _colors(colormap_name, colormap)
        return rendering.colormap or _colors(rendering.colormap_name, None)

    async def render(
        rendering: Rendering = rest, rescale: Rescale = None, mask: Mask = None
    ) -> Given:
        ranges = [_range(one) for one in rescale or ()]
        return Given(rescale=ranges or rendering.rescale or None, add_mask=mask)

    async def dataset(
        given: Source = shown,
        nodata: Nodata = None,
        unscale: Unscale = None,
        resampling: Sampling = None,
    ) -> Given:
        empty = given.rendering.nodata if nodata is None else nodata
        method = resampling or given.rendering.resampling
        return Given(
            nodata=empty, unscale=unscale, resampling_method=method, reproject_method=method
        )

    return Look(bands, painted, render, dataset)


async def all_bands(bidx: Bidx = None) -> Given:
    return Given(indexes=bidx)


async def as_stored(nodata: Nodata = None, unscale: Unscale = None) -> Given:
    """The values themselves, between which nothing is invented."""
    return Given(nodata=nodata, unscale=unscale)


def _colors(name: str | None, explicit: str | None) -> Any:
    """One that is spelled out wins."""
    if explicit:
        return colors.given(explicit)
    return colors.named(name) if name else None


def _range(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low = high = 0.0
    if low < high:
        return low, high
    message = {
        "loc": ("query", "rescale"),
        "msg": "low,high: two numbers, low first",
        "type": "range",
    }
    raise invalid_parameters([message])
