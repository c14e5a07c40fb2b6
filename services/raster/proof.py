"""Prove a COG: valid by the rules, and holding what it was made from."""

import hashlib
from dataclasses import dataclass, replace
from math import ceil, isnan
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.io import DatasetReader
from rio_cogeo.cogeo import cog_validate

from core.blobs import BlobRef
from core.errors import BadInput, BadResult
from services.raster import footprint, place
from services.raster.environment import gdal
from services.raster.models import Cog, Grid
from services.raster.options import RasterOptions
from services.raster.tiers import Profile
from services.raster.view import View

LOOK = 512


@dataclass(frozen=True, slots=True)
class Facts:
    """What has to be the same before and after."""

    grid: Grid
    dtype: str
    band_count: int
    nodata: float | None
    masking: tuple[str, ...]
    palette: dict[int, tuple[int, ...]] | None


def facts_of(dataset: View, *, picture: bool = False) -> Facts:
    """What the COG must hold. In a picture, a mask takes the place of alpha and nodata."""
    colored = ColorInterp.palette in dataset.colorinterp
    facts = Facts(
        grid=place.grid_of(dataset, dataset.crs),
        dtype=dataset.dtypes[0],
        band_count=dataset.count,
        nodata=dataset.nodata,
        masking=tuple(flag.name for flag in dataset.mask_flag_enums[0]),
        palette=dataset.colormap(1) if colored else None,
    )
    return _as_picture(facts) if picture and "alpha" in facts.masking else facts


def _as_picture(facts: Facts) -> Facts:
    return replace(facts, band_count=facts.band_count - 1, masking=("per_dataset",))


def read_back(
    file: Path, target: BlobRef, expected: Facts, profile: Profile, options: RasterOptions
) -> Cog:
    """The COG as it lies on disk. Raises when it is invalid or lost something on the way."""
    with gdal(options.cache_bytes):
        valid, faults, _ = cog_validate(file, quiet=True)
        if not valid:
            raise BadResult(f"the COG for {target} is not valid: {'; '.join(faults)}")
        with rasterio.open(file, driver="GTiff", sharing=False) as dataset:
            found, overviews = _checked(dataset, expected, target), dataset.overviews(1)
            outline = footprint.outline(_valid(dataset), found.grid)
    size = file.stat().st_size
    return Cog(
        ref=target,
        size=size,
        sha256=_sha256(file),
        tier=profile.tier,
        compression=profile.compression,
        grid=found.grid,
        dtype=found.dtype,
        band_count=found.band_count,
        nodata=found.nodata,
        overviews=overviews,
        valid=valid,
        footprint=outline,
        monthly_cost=options.monthly_cost(profile.tier, size),
    )


def _valid(dataset: DatasetReader) -> np.ndarray:
    """Which cells hold data, in a small look at the whole that the overviews make cheap."""
    shrink = max(1, ceil(max(dataset.width, dataset.height) / LOOK))
    shape = ceil(dataset.height / shrink), ceil(dataset.width / shrink)
    if all(flags == [MaskFlags.all_valid] for flags in dataset.mask_flag_enums):
        return np.ones(shape, bool)  # rasterio would make a mask of all the cells first
    return dataset.dataset_mask(out_shape=shape) > 0


def _checked(dataset: View, expected: Facts, target: BlobRef) -> Facts:
    wanted = place.parse(expected.grid.crs)
    if dataset.crs != wanted:
        raise BadInput(f"GeoTIFF cannot hold the CRS {wanted.to_string()}; pass target_crs")
    found = facts_of(dataset)
    for name in ("dtype", "band_count", "masking", "palette"):
        if getattr(found, name) != getattr(expected, name):
            raise BadResult(f"the COG for {target} lost its {name}")
    if not _same_number(found.nodata, expected.nodata):
        raise BadResult(f"the COG for {target} has nodata {found.nodata}, not {expected.nodata}")
    if not _same_cells(found.grid, expected.grid):
        raise BadResult(f"the COG for {target} lies on {found.grid}, not on {expected.grid}")
    return found


def _same_cells(one: Grid, other: Grid) -> bool:
    near = np.allclose(one.transform, other.transform, rtol=1e-12, atol=0.0)
    return near and (one.width, one.height) == (other.width, other.height)


def _same_number(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return one == other or (isnan(one) and isnan(other))


def _sha256(file: Path) -> str:
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()
