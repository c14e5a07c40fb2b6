"""How a raster is shown where nobody says otherwise: which bands, which range, which colours."""

import colorsys
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import ValidationError

from core.errors import BadInput
from services.raster.models import Band, Cell, Color, Frozen, RasterInfo, RasterType, Statistics

DEFAULT = "default"
"""The key of the rendering that a picture has when its caller asks for none."""
CLASSES = 256
"""More colours than this tell nobody anything."""
GOLDEN = 0.618034
"""Steps of this share of the colour circle never come close to where they were."""
TITLES = {
    RasterType.RGB: "Natural colour",
    RasterType.RGBA: "Natural colour",
    RasterType.DEM: "Height",
    RasterType.CATEGORICAL: "Classes",
    RasterType.FLOOD_DEPTH: "Flood depth",
}
ROLES = ("red", "green", "blue", "nir")

Range = tuple[float, float]
Resampling = Literal[
    "nearest", "bilinear", "cubic", "cubic_spline", "lanczos", "average", "mode", "rms"
]


class Rendering(Frozen):
    """A picture of a raster. What is left out is as the file has it."""

    title: str = ""
    bidx: list[int] = []
    """The bands that are shown, the first being 1."""
    rescale: list[Range] = []
    """What becomes black and what becomes white: one range for all bands, or one for each."""
    colormap_name: str | None = None
    colormap: dict[int, Color] = {}
    """A colour for each value. It wins over `colormap_name`."""
    nodata: Cell = None
    """Never by default: a lossy tier keeps a mask instead, and its black is no hole."""
    resampling: Resampling = "nearest"


def default(info: RasterInfo) -> Rendering:
    """What shows this raster well, by its type, its cells and their statistics."""
    match info.raster_type:
        case RasterType.CATEGORICAL:
            return _classes(info)
        case RasterType.DEM:
            return _single(info, "terrain", _whole(info.bands[0].statistics))
        case RasterType.FLOOD_DEPTH:
            return _single(info, "blues", (0.0, _depth(info.bands[0].statistics)))
        case RasterType.CONTINUOUS:
            return _single(info, "viridis", _usual(info.bands[0].statistics))
        case _:
            return _colored(info)


def as_renders(rendering: Rendering, assets: Sequence[str]) -> dict[str, Any]:
    """As STAC's render extension has it, for `properties.renders` of the item whose assets these are."""
    told = rendering.model_dump(mode="json", exclude_defaults=True)
    return {DEFAULT: {**told, "resampling": rendering.resampling, "assets": list(assets)}}


def from_item(item: dict[str, Any], asset: str) -> Rendering:
    """The rendering that an item has for one of its assets; a plain one where it has none."""
    renders: dict[str, Any] = item.get("properties", {}).get("renders") or {}
    fitting = {key: one for key, one in renders.items() if asset in one.get("assets", ())}
    if not fitting:
        return Rendering()
    key = DEFAULT if DEFAULT in fitting else next(iter(fitting))
    try:
        return Rendering.model_validate(fitting[key])
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise BadInput(
            f"The rendering {key!r} of item {item.get('id')} is not right at {where}"
        ) from error


def plain(bands: Sequence[Statistics]) -> Rendering:
    """The first band or the first three, of which no more is known than what they hold."""
    count = min(len(bands), 3) if len(bands) != 2 else 1
    return Rendering(
        bidx=list(range(1, count + 1)), rescale=[_usual(found) for found in bands[:count]]
    )


def _single(info: RasterInfo, colormap: str, rescale: Range) -> Rendering:
    return Rendering(
        title=TITLES.get(info.raster_type, info.bands[0].name),
        bidx=[1],
        rescale=[rescale],
        colormap_name=colormap,
        resampling="bilinear",
    )


def _classes(info: RasterInfo) -> Rendering:
    """The file's own colours, else one for each class. Values between two classes are none."""
    colors = info.palette or _legend(info)
    if 0 < len(colors) <= CLASSES:
        return Rendering(title=TITLES[info.raster_type], bidx=[1], colormap=colors)
    if info.has_palette:
        return Rendering(title=TITLES[info.raster_type], bidx=[1])
    return _single(info, "viridis", _usual(info.bands[0].statistics))


def _legend(info: RasterInfo) -> dict[int, Color]:
    """Colours for the classes that were seen, or for all whole numbers from the least to the greatest."""
    found = info.bands[0].statistics
    if found.minimum is None or found.maximum is None:
        return {}
    least, greatest = int(found.minimum), int(min(found.maximum, found.minimum + CLASSES))
    return {value: _color(n) for n, value in enumerate(info.classes or range(least, greatest + 1))}


def _color(number: int) -> Color:
    red, green, blue = colorsys.hsv_to_rgb(number * GOLDEN % 1, 0.65, 0.9 - 0.25 * (number % 2))
    return round(red * 255), round(green * 255), round(blue * 255), 255


def _colored(info: RasterInfo) -> Rendering:
    """Three bands, or the first where there are no three."""
    shown = [band for band in info.bands if band.color != "alpha"]
    if len(shown) < 3:
        return _single(info, "viridis", _usual(info.bands[0].statistics))
    bidx = _three(info)
    ranges = [_usual(info.bands[index - 1].statistics) for index in bidx]
    return Rendering(
        title=TITLES.get(info.raster_type, "Colour"),
        bidx=bidx,
        rescale=[] if info.dtype == "uint8" else ranges,
        resampling="bilinear",
    )


def _three(info: RasterInfo) -> list[int]:
    """By what the bands say they are; else as such files usually have them."""
    found = {role: n for n, band in enumerate(info.bands, 1) if (role := _role(band))}
    infrared = info.raster_type is RasterType.NIR
    for wanted in [("nir", "red", "green")] * infrared + [("red", "green", "blue")]:
        if set(wanted) <= set(found):
            return [found[role] for role in wanted]
    if infrared and len(info.bands) >= 4:
        return [4, 1, 2]
    return [3, 2, 1] if info.raster_type is RasterType.MULTISPECTRAL else [1, 2, 3]


def _role(band: Band) -> str | None:
    told = (band.color, band.name.lower())
    return next((role for role in ROLES if role in told), None)


def _usual(found: Statistics) -> Range:
    """Without the odd cells at both ends, where that is known."""
    low = found.minimum if found.p2 is None else found.p2
    high = found.maximum if found.p98 is None else found.p98
    return _range(low, high) if low != high else _whole(found)


def _whole(found: Statistics) -> Range:
    return _range(found.minimum, found.maximum)


def _depth(found: Statistics) -> float:
    deepest = found.maximum or 0.0
    return deepest if deepest > 0 else 1.0


def _range(low: float | None, high: float | None) -> Range:
    """Never empty: nothing can be spread over no range."""
    if low is None or high is None:
        return 0.0, 1.0
    return (low, high) if low < high else (low, low + (abs(low) or 1.0))
