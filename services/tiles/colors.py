"""Colour maps: those that have a name, and those that a caller brings."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError
from rio_tiler.colormap import cmap

from core.errors import BadInput
from services.tiles.errors import CannotShow

LUT = 256
"""A colour map of so many entries is looked up by bytes."""
RAW = frozenset({"tif", "tiff", "npy"})
"""Formats that hold values, not colours."""

Channel = Annotated[int, Field(ge=0, le=255)]
Rgb = tuple[Channel, Channel, Channel]
Rgba = tuple[Channel, Channel, Channel, Channel]
Hex = Annotated[
    str, StringConstraints(pattern=r"^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})$")
]
Paint = Rgba | Rgb | Hex
ByValue = Annotated[dict[int, Paint], Field(min_length=1, max_length=LUT)]
ByRange = Annotated[list[tuple[tuple[float, float], Paint]], Field(min_length=1, max_length=LUT)]
GIVEN: TypeAdapter[Any] = TypeAdapter(ByValue | ByRange)


def named(name: str) -> Any:
    if name not in cmap.list():
        raise BadInput(
            f"There is no colour map {name[:40]!r}; viridis, terrain and blues are some."
        )
    return cmap.get(name)


def given(text: str) -> Any:
    """A colour for each value, or for each range of values, as JSON."""
    try:
        found = GIVEN.validate_json(text)
    except ValidationError:
        raise BadInput(
            'colormap is JSON like {"1": "#0000ff", "2": [0, 255, 0, 255]} or [[[0, 10], "#00f"]]'
        ) from None
    if isinstance(found, dict):
        return {value: _rgba(paint) for value, paint in found.items()}
    return [(span, _rgba(paint)) for span, paint in found]


def _rgba(paint: Any) -> tuple[int, ...]:
    if not isinstance(paint, str):
        return (*paint, 255)[:4]
    digits = paint[1:] if len(paint) > 4 else "".join(2 * digit for digit in paint[1:])
    return (*bytes.fromhex(digits), 255)[:4]


def refuse_dim(dtype: str, form: str | None, rescale: Any, colormap: Any) -> None:
    """What holds more than bytes has no picture until someone says what is black and what is white."""
    colored = colormap and (not isinstance(colormap, dict) or len(colormap) != LUT)
    if dtype == "uint8" or rescale or colored or form in RAW:
        return
    raise CannotShow(
        f"The cells are of type {dtype}: pass rescale=low,high (statistics tells both)."
    )
