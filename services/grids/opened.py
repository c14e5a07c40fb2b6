"""Open what may be a cube: a NetCDF file, a Zarr store of either version, or references to other files."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from core.blobs import BlobRef, Blobs
from core.errors import BadInput, BlobNotFound
from core.imports import one_at_a_time
from services.grids import references
from services.grids.references import References

if TYPE_CHECKING:
    import xarray
    import zarr
    from zarr.abc.store import Store

REFERENCES = ".json"
FILES = (".nc", ".nc4", ".h5", ".hdf5", ".hdf", ".cdf", ".he5")
# Others may not read consolidated metadata, and a store may hold files that are none of Zarr's.
warnings.filterwarnings("ignore", "Consolidated metadata is currently", UserWarning)
warnings.filterwarnings("ignore", "Object at .* is not recognized", UserWarning)

ROOTS = ("zarr.json", ".zmetadata", ".zgroup")
"""What the root of a Zarr store holds, the most telling first."""

WRONG = (
    FileNotFoundError,
    LookupError,
    ValueError,
    TypeError,
    RuntimeError,
    ArithmeticError,
    zlib.error,
)


@contextmanager
def understood(name: str) -> Iterator[None]:
    """What Zarr and its codecs cannot make sense of is the sender's fault, and is said so."""
    try:
        yield
    except WRONG as error:
        raise BadInput(f"{name} cannot be read: {str(error)[:200]}") from error


def is_netcdf(ref: BlobRef) -> bool:
    return ref.lower().endswith(FILES)


def netcdf(blobs: Blobs, ref: BlobRef, only: str | None = None) -> tuple[zarr.Group, References]:
    """A NetCDF file, or one variable of it, as a group that is read by ranges."""
    with one_at_a_time:
        from services.grids.netcdf import of_netcdf  # noqa: PLC0415 - h5py, only for those who read NetCDF

    found = of_netcdf(blobs, ref, only)
    return referred(blobs, found, ref), found


def referred(blobs: Blobs, found: References, ref: BlobRef) -> zarr.Group:
    return _group(_stores().ReferenceStore(blobs, found, ref), ref, consolidated=False)


def cube(blobs: Blobs, ref: BlobRef) -> zarr.Group:
    """The store or the references that an item names."""
    if ref.endswith(REFERENCES):
        return referred(blobs, references.load(blobs, ref), ref)
    return store(blobs, ref)


def dataset(group: zarr.Group, ref: BlobRef) -> xarray.Dataset:
    """The same as xarray sees it; nothing but metadata is read, so no indexes are made.

    Times stay numbers, since calendars are kept apart.
    """
    with one_at_a_time:
        import xarray  # noqa: PLC0415 - slow to import

    with understood(ref):
        return xarray.open_zarr(
            group.store,
            chunks=None,
            consolidated=group.metadata.consolidated_metadata is not None,
            zarr_format=group.metadata.zarr_format,
            decode_times=False,
            decode_coords=False,
            create_default_indexes=False,
        )


def store(blobs: Blobs, root: BlobRef) -> zarr.Group:
    """An existing Zarr store, by its consolidated metadata unless that is missing or names nothing."""
    found = _stores().BlobStore(blobs, root, read_only=True)
    group = _group(found, root, consolidated=None)
    kept = group.metadata.consolidated_metadata
    return group if kept is None or kept.metadata else _group(found, root, consolidated=False)


def target(blobs: Blobs, root: BlobRef) -> zarr.Group:
    """A store that exists, to write its cells."""
    with understood(root):
        return _stores().open_group(_stores().BlobStore(blobs, root), "r+", consolidated=True)


def consolidate(blobs: Blobs, root: BlobRef) -> None:
    """Gather the metadata of all arrays in the root, so that a store opens with one read."""
    with understood(root):
        _stores().consolidate(_stores().BlobStore(blobs, root))


def state_of(blobs: Blobs, ref: BlobRef) -> str:
    """A word that changes when the metadata of a store, or the references, do."""
    names = [ref] if ref.endswith(REFERENCES) else [f"{ref.rstrip('/')}/{n}" for n in ROOTS]
    for name in names:
        try:
            return blobs.info(BlobRef(name)).etag
        except BlobNotFound:
            continue
    raise BadInput(f"there is no Zarr store at {ref}: none of {', '.join(ROOTS)} is there")


def _group(found: Store, ref: BlobRef, consolidated: bool | None) -> zarr.Group:
    with understood(ref):
        return _stores().open_group(found, "r", consolidated=consolidated)


def _stores():
    """Every worker imports every job, and zarr is slow to import: it waits until a cube is opened."""
    with one_at_a_time:
        from services.grids import store as stores  # noqa: PLC0415

    return stores
