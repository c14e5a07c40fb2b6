"""Whether many rasters are of one kind, and which ones are not."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import TypeVar

from core.blobs import BlobRef
from core.errors import BadInput
from services.raster.models import RasterInfo

T = TypeVar("T", int, str)

TOLERANCE = 0.01
"""Pixel sizes that differ by less than this share count as equal."""
TOLD = 10


@dataclass(frozen=True, slots=True)
class Traits:
    """What rasters of one collection have in common."""

    source: BlobRef
    crs: str
    bands: int
    dtype: str
    pixel: float
    kind: str

    @classmethod
    def of(cls, info: RasterInfo) -> "Traits":
        x, y = info.grid.pixel_size
        return cls(
            info.source,
            info.grid.crs,
            len(info.bands),
            info.dtype,
            (x * y) ** 0.5,
            info.raster_type.value,
        )


def refuse_odd(infos: Iterable[RasterInfo], *, reprojected: bool = False) -> None:
    """Raises where some differ from the most, and says how. Reprojection makes CRS and pixel size equal."""
    all_traits = [Traits.of(info) for info in infos]
    if not all_traits:
        return
    odd = [
        f"{traits.source} {' and '.join(told)}"
        for traits, told in _compared(all_traits, reprojected)
        if told
    ]
    if odd:
        more = f"; and {len(odd) - TOLD} more" if len(odd) > TOLD else ""
        raise BadInput(
            f"{len(odd)} of {len(all_traits)} rasters differ: {'; '.join(odd[:TOLD])}{more}. "
            "Leave them out, or pass homogeneous=false"
        )


def _compared(
    all_traits: Sequence[Traits], reprojected: bool
) -> Iterator[tuple[Traits, list[str]]]:
    bands = _usual(t.bands for t in all_traits)
    dtype = _usual(t.dtype for t in all_traits)
    kind = _usual(t.kind for t in all_traits)
    crs = _usual(t.crs for t in all_traits)
    pixel = median_low(t.pixel for t in all_traits if t.crs == crs)
    for t in all_traits:
        told = [
            (t.bands != bands, f"has {_counted(t.bands)}, the others {bands}"),
            (t.dtype != dtype, f"has {t.dtype} cells, the others {dtype}"),
            (t.kind != kind, f"looks like {t.kind}, the others like {kind}"),
            (
                not reprojected and t.crs != crs,
                f"is in {_short(t.crs)}, the others in {_short(crs)}",
            ),
            (
                not reprojected and t.crs == crs and _far(t.pixel, pixel),
                f"has pixels of {t.pixel:g}, the others of {pixel:g}",
            ),
        ]
        yield t, [text for differs, text in told if differs]


def _usual(values: Iterable[T]) -> T:
    return Counter(values).most_common(1)[0][0]


def _far(one: float, other: float) -> bool:
    return abs(one - other) > TOLERANCE * other


def _counted(bands: int) -> str:
    return f"{bands} band{'s' if bands != 1 else ''}"


def _short(crs: str) -> str:
    return crs if len(crs) <= 40 else f"{crs[:37]}..."
