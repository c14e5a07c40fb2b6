"""Readers of one raster, and of many as if they were one."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cached_property
from typing import Any, NamedTuple, Protocol, TypeVar, cast

import numpy as np
from morecantile import Tile, TileMatrixSet
from rasterio.crs import CRS
from rasterio.warp import transform, transform_bounds
from rio_tiler.constants import WGS84_CRS
from rio_tiler.errors import PointOutsideBounds, TileOutsideBounds
from rio_tiler.io import BaseReader, Reader
from rio_tiler.models import BandStatistics, ImageData, Info, PointData
from rio_tiler.mosaic import mosaic_reader
from rio_tiler.utils import inherit_rasterio_env
from shapely.geometry import shape as shape_of

from core.blobs import BlobRef
from services.raster.models import Box
from services.tiles.errors import CannotShow, OutsideBounds, TooManyRasters
from services.tiles.opener import Opener

THREADS = 4
"""How many rasters of one picture are read at the same time."""
SMOOTH = frozenset({"bilinear", "cubic", "cubic_spline", "lanczos"})
UNSCALED = {"XSCALE": 1, "YSCALE": 1}
"""A COG has overviews, so GDAL need not blur what it shrinks by less than two: that would take most of the time."""
POINT = 1e-7
"""Degrees: a centimetre, since a box without any extent meets nothing."""
EDGE = 1e-6
"""This share of a picture is less than a pixel."""

T = TypeVar("T")
Told = TypeVar("Told", ImageData, PointData)


class Cog(NamedTuple):
    """One raster in storage, and the way to open it."""

    ref: BlobRef
    opener: Opener


class CogReader(Reader):
    """Reads one raster, a `Cog`. Errors name bands, never addresses."""

    def __attrs_post_init__(self) -> None:
        cog = cast(Cog, self.input)
        with ExitStack() as stack:
            self.dataset = stack.enter_context(cog.opener(cog.ref))
            super().__attrs_post_init__()
            self._ctx_stack.push(stack.pop_all())

    def read(self, indexes: Any = None, expression: Any = None, **more: Any) -> ImageData:
        found = super().read(indexes=self._there(indexes), expression=expression, **more)
        return self._named(found)

    def part(  # type: ignore[override]
        self, bbox: Any, dst_crs: CRS | None = None, bounds_crs: CRS = WGS84_CRS, **more: Any
    ) -> ImageData:
        smooth = more.get("reproject_method") in SMOOTH and (dst_crs or bounds_crs) != self.crs
        given: dict[str, Any] = {**more, "indexes": self._there(more.get("indexes"))}
        if smooth:
            given["vrt_options"] = UNSCALED
        return self._named(super().part(bbox, dst_crs=dst_crs, bounds_crs=bounds_crs, **given))

    def point(self, lon: float, lat: float, *args: Any, **more: Any) -> PointData:
        given: dict[str, Any] = {**more, "indexes": self._there(more.get("indexes"))}
        return self._named(super().point(lon, lat, *args, **given))

    def _named(self, found: Told) -> Told:
        """rio-tiler 9.4 describes every band as the last one."""
        said = cast(Any, self.dataset).descriptions
        found.band_descriptions = [said[int(name[1:]) - 1] or name for name in found.band_names]
        return found

    def _there(self, indexes: Any) -> Any:
        count = cast(Any, self.dataset).count
        for index in indexes or ():
            if not 1 <= index <= count:
                raise CannotShow(f"There is no band {index}: bands are counted from 1 to {count}.")
        return indexes


class Found(NamedTuple):
    """The rasters of a place, the one that shall lie on top first, and whether there are still more."""

    refs: list[BlobRef]
    more: bool = False


class Rasters(Protocol):
    """Many rasters that are shown as one."""

    @property
    def bounds(self) -> Box: ...
    @property
    def opener(self) -> Opener: ...
    def within(self, box: Box) -> Found:
        """Those that meet a box in degrees. No more than one picture may open."""
        ...

    def whole(self) -> Found:
        """Those that show the whole at low resolution."""
        ...

    def fine(self) -> Found:
        """One that has the full resolution is enough."""
        ...


class MosaicReader(BaseReader):
    """Reads many `Rasters` as if they were one: each cell is of the first raster that has one there."""

    input: Rasters

    def __init__(self, rasters: Rasters, tms: TileMatrixSet) -> None:
        cast(Any, super()).__init__(rasters, tms=tms)
        self.bounds, self.crs = rasters.bounds, WGS84_CRS

    @cached_property
    def minzoom(self) -> int:
        found = self.input.whole()
        zoom = self._of_one(found, lambda reader: reader.minzoom)
        return max(self.tms.minzoom, zoom - 2) if found.more else self.tms.minzoom

    @cached_property
    def maxzoom(self) -> int:
        return self._of_one(self.input.fine(), lambda reader: reader.maxzoom)

    def info(self) -> Info:
        found = self._of_one(self.input.fine(), lambda reader: reader.info())
        extra = set(found.model_extra or ()) & {"width", "height", "overviews"}
        told = found.model_dump(exclude=extra)
        return Info(
            **{**told, "bounds": self.bounds, "crs": "http://www.opengis.net/def/crs/EPSG/0/4326"}
        )

    def tile(self, tile_x: int, tile_y: int, tile_z: int, **more: Any) -> ImageData:
        if not self.tile_exists(tile_x, tile_y, tile_z):
            raise TileOutsideBounds
        found = self._within(self.tms.bounds(Tile(tile_x, tile_y, tile_z)))
        return self._merged(found, lambda reader: reader.tile(tile_x, tile_y, tile_z, **more))

    def part(self, bbox: Any, bounds_crs: CRS = WGS84_CRS, **more: Any) -> ImageData:
        found = self._within(transform_bounds(bounds_crs, WGS84_CRS, *bbox))
        return self._merged(found, lambda reader: reader.part(bbox, bounds_crs=bounds_crs, **more))

    def feature(self, shape: dict[str, Any], shape_crs: CRS = WGS84_CRS, **more: Any) -> ImageData:
        bbox = shape_of(shape.get("geometry", shape)).bounds
        found = self._within(transform_bounds(shape_crs, WGS84_CRS, *bbox))
        return self._merged(
            found, lambda reader: reader.feature(shape, shape_crs=shape_crs, **more)
        )

    def preview(self, dst_crs: CRS | None = None, **more: Any) -> ImageData:
        crs = dst_crs or WGS84_CRS
        found = self.input.whole()
        return self._merged(
            found,
            lambda reader: reader.part(self.bounds, bounds_crs=WGS84_CRS, dst_crs=crs, **more),
        )

    def point(self, lon: float, lat: float, coord_crs: CRS = WGS84_CRS, **more: Any) -> PointData:
        """Of the first raster that has a value there."""
        east, north = (axis[0] for axis in transform(coord_crs, WGS84_CRS, [lon], [lat])[:2])
        answer: PointData | None = None
        box = (east - POINT, north - POINT, east + POINT, north + POINT)
        for ref in self.input.within(box).refs:
            try:
                found = self._read(ref, lambda r: r.point(lon, lat, coord_crs=coord_crs, **more))
            except PointOutsideBounds:
                continue
            answer = answer or found
            if not np.ma.getmaskarray(found.array).all():
                return found
        if answer is None:
            raise PointOutsideBounds
        return answer

    def statistics(self, **more: Any) -> dict[str, BandStatistics]:
        return self.preview().statistics(**more)

    def _within(self, box: Sequence[float]) -> Found:
        """Neighbours that only touch the edge are left out."""
        west, south, east, north = box
        across, up = (east - west) * EDGE, (north - south) * EDGE
        return self.input.within((west + across, south + up, east - across, north - up))

    def _merged(self, found: Found, read: Callable[[CogReader], ImageData]) -> ImageData:
        if not found.refs:
            raise OutsideBounds("No raster covers this place.")

        @inherit_rasterio_env
        def one(ref: BlobRef) -> ImageData:
            return self._read(ref, read)

        try:
            image, _ = mosaic_reader(found.refs, one, threads=THREADS, chunk_size=THREADS)
        except AssertionError:
            raise CannotShow("These rasters differ in their bands; pass bidx.") from None
        if found.more and np.ma.getmaskarray(image.array).any():
            raise TooManyRasters(
                f"More than {len(found.refs)} rasters meet here, which is what one picture may open. "
                "Zoom in, or ask for fewer by time or place."
            )
        return image

    def _of_one(self, found: Found, read: Callable[[CogReader], T]) -> T:
        if not found.refs:
            raise OutsideBounds("There is no raster.")
        return self._read(found.refs[0], read)

    def _read(self, ref: BlobRef, read: Callable[[CogReader], T]) -> T:
        with read_one(Cog(ref, self.input.opener), self.tms) as reader:
            return read(reader)


def read_one(cog: Cog, tms: TileMatrixSet) -> CogReader:
    return cast(Any, CogReader)(cog, tms=tms)
