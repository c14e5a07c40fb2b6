"""Build tiles from the GRIB files at hand: decode, cut, and reduce to the cells of a region."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import md5
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.blobs import Blobs
from core.errors import BadInput, BlobNotFound
from core.imports import one_at_a_time
from services.geo.gridspec import GridSpec
from services.weather import native
from services.weather import rain as accountant
from services.weather.derive import Variable, components, published, way
from services.weather.grib import BadGrib
from services.weather.idx import Span
from services.weather.models import Frozen, Model, Raw, model_named
from services.weather.patch import Desk
from services.weather.rain import Term
from services.weather.regrid import weights
from services.weather.tilecache import records, shelf, tile
from services.weather.tilecache.ingest import Part, Parts
from services.weather.tilecache.region import Region
from services.weather.tilecache.shelf import Slot, TileKey
from services.weather.tilecache.tile import Cells

if TYPE_CHECKING:
    from services.weather.decode import Field

Floats = NDArray[np.float32]
AT_ONCE = 24
"""Hours between two writes: what is lost when a worker dies."""


class TileOrder(Frozen):
    """A tile, and the hours that it lacks and that GRIB files are there of."""

    region: Region
    model: str
    run: datetime
    variable: Variable
    hours: tuple[int, ...]

    @property
    def key(self) -> TileKey:
        return TileKey(self.region.folder, self.model, self.run, self.variable)


class Built(Frozen):
    """What came of it."""

    region: str
    model: str
    run: datetime
    variable: Variable
    hours: tuple[int, ...] = ()
    gone: tuple[int, ...] = ()
    """Hours whose GRIB files were removed meanwhile; they are fetched again when still wanted."""
    failed: dict[int, str] = {}


def build(desk: Desk, order: TileOrder, now: datetime) -> Built:
    """Add the hours to the tile. A GRIB file that cannot be read is removed and noted, so that it is fetched anew."""
    builder = _Builder(desk, order, now)
    left = iter(order.hours)
    while some := list(islice(left, AT_ONCE)):
        builder.add(some)
        desk.report(len(builder.hours) / len(order.hours), f"{len(builder.hours)} hours")
    return Built(
        region=order.region.name,
        model=order.model,
        run=order.run,
        variable=order.variable,
        hours=tuple(builder.hours),
        gone=tuple(builder.gone),
        failed=builder.failed,
    )


class _Builder:
    def __init__(self, desk: Desk, order: TileOrder, now: datetime) -> None:
        self.desk, self.order, self.now = desk, order, now
        self.model, self.spec = model_named(order.model), order.region.spec
        self.hours: list[int] = []
        self.gone: list[int] = []
        self.failed: dict[int, str] = {}

    def add(self, hours: Sequence[int]) -> None:
        cells, sums = dict[int, Cells](), dict[int, str]()
        for hour in hours:
            self.desk.check()
            slot = Slot(self.order.model, self.order.run, self.order.variable, hour)
            try:
                cells[hour], sums[hour] = cells_of(self.desk.blobs, self.model, slot, self.spec)
            except BlobNotFound:
                self.gone.append(hour)
            except (BadGrib, BadInput) as error:
                self.failed[hour] = str(error)
                forget(self.desk.blobs, slot)
                records.note_failure(self.desk.blobs, slot, str(error), self.now)
        if cells:
            tile.add(self.desk.blobs, self.order.key, self.spec, cells, sums, self.now)
            self.hours += cells


def forget(blobs: Blobs, slot: Slot) -> bool:
    """Remove a GRIB file: first the file, which is what counts."""
    there = blobs.delete(shelf.grib(slot))
    blobs.delete(shelf.parts(slot))
    return there


def cells_of(blobs: Blobs, model: Model, slot: Slot, spec: GridSpec) -> tuple[Cells, str]:
    """The cells of an hour, and the digest of what they were made of."""
    data = blobs.read(shelf.grib(slot))
    about = shelf.read(blobs, shelf.parts(slot), Parts)
    if about is None:
        raise BlobNotFound(f"{shelf.parts(slot)} is gone")
    if md5(data, usedforsecurity=False).hexdigest() != about.md5:
        raise BadGrib(f"the kept file of hour {slot.hour} is not what was written")
    fields = [(part, _decoded(data, part)) for part in about.parts]
    fine, times = _finer(fields[0][1], spec)
    if slot.variable is Variable.PRECIPITATION:
        values = _rain(model, fields, fine)
    else:
        values = way(model, slot.variable).make(_fields(model, fields, fine))
    return reduced(values, times), about.md5


def _decoded(data: bytes, part: Part) -> Field:
    with one_at_a_time:
        from services.weather.decode import decode  # noqa: PLC0415 - eccodes is slow to load

    return decode(data[part.offset : part.offset + part.length], part.part)


def _finer(field: Field, spec: GridSpec) -> tuple[GridSpec, int]:
    """A cell is looked at in as many places as the model has points in it, at least in one."""
    *_, times = native.points(spec, field.grid.cell_metres)
    finer = spec.model_copy(
        update={
            "cell": spec.cell / times,
            "left": spec.left * times,
            "top": spec.top * times,
            "width": spec.width * times,
            "height": spec.height * times,
        }
    )
    return finer, times


def _cuts(fields: Sequence[tuple[Part, Field]], spec: GridSpec) -> Iterator[_Cut]:
    for part, field in fields:
        how = weights(field.grid, spec)
        yield _Cut(part, field, field.grid.cut(field.values, how.window))


class _Cut(NamedTuple):
    part: Part
    field: Field
    values: Floats


def _fields(
    model: Model, fields: Sequence[tuple[Part, Field]], spec: GridSpec
) -> Mapping[Raw, Floats]:
    """On the grid, winds turned to east and north; directions become components before they are averaged."""
    cuts = {cut.part.raw: cut for cut in _cuts(fields, spec)}
    how = weights(fields[0][1].grid, spec)
    raw = {name: cut.values for name, cut in cuts.items()}
    if Raw.SPEED in raw and published(model, Raw.U) == (Raw.SPEED, Raw.DIRECTION):
        raw[Raw.U], raw[Raw.V] = components(raw.pop(Raw.SPEED), raw.pop(Raw.DIRECTION))
        return {name: how.apply(values) for name, values in raw.items()}
    found = {name: how.apply(values) for name, values in raw.items()}
    if {Raw.U, Raw.V} <= set(found):
        found[Raw.U], found[Raw.V] = how.turned(found[Raw.U], found[Raw.V])
    return found


def _rain(model: Model, fields: Sequence[tuple[Part, Field]], spec: GridSpec) -> Floats:
    scale = np.float32(model.messages[Raw.RAIN].scale)
    terms, sums = list[Term](), dict[Span, Floats]()
    for cut in _cuts(fields, spec):
        span = Span(cut.part.start, cut.part.end)
        terms.append(Term(cut.part.sign, span))
        sums[span] = weights(cut.field.grid, spec).apply(cut.values) * scale
    return accountant.total(terms, sums, spec.shape).amount


def reduced(values: Floats, times: int) -> Cells:
    """The average, the least and the most of `times` x `times` places of each cell; NaN where most have nothing."""
    if times == 1:
        return Cells(values, values, values)
    rows, columns = values.shape[0] // times, values.shape[1] // times
    places = values.reshape(rows, times, columns, times).transpose(0, 2, 1, 3)
    flat = places.reshape(rows, columns, times * times)
    there = np.isfinite(flat)
    enough = there.sum(axis=2) * 2 >= times * times
    count = np.maximum(there.sum(axis=2), 1)
    mean = np.where(there, flat, 0).sum(axis=2, dtype=np.float64) / count
    least = np.where(there, flat, np.inf).min(axis=2)
    most = np.where(there, flat, -np.inf).max(axis=2)
    held = (np.where(enough, each, np.nan).astype(np.float32) for each in (mean, least, most))
    return Cells(*held)
