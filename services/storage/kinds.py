"""What a blob is, by its name alone."""

from __future__ import annotations

from enum import StrEnum

from core.blobs import BlobRef
from services.storage.models import extension_of


class Category(StrEnum):
    """What a blob is good for."""

    RASTER = "raster"
    VECTOR = "vector"
    SIDECAR = "sidecar"
    METADATA = "metadata"
    ARCHIVE = "archive"
    UNKNOWN = "unknown"


RASTERS = {
    "tif": "geotiff",
    "tiff": "geotiff",
    "gtiff": "geotiff",
    "jp2": "jpeg2000",
    "j2k": "jpeg2000",
    "nc": "netcdf",
    "nc4": "netcdf",
    "h5": "hdf5",
    "he5": "hdf5",
    "hdf5": "hdf5",
    "grib": "grib",
    "grib2": "grib",
    "grb": "grib",
    "grb2": "grib",
    "img": "erdas",
    "asc": "asciigrid",
    "hgt": "srtm",
    "ntf": "nitf",
    "vrt": "vrt",
}
VECTORS = {
    "shp": "shapefile",
    "geojson": "geojson",
    "gpkg": "geopackage",
    "kml": "kml",
    "kmz": "kmz",
    "gml": "gml",
    "csv": "csv",
    "fgb": "flatgeobuf",
    "parquet": "parquet",
    "geoparquet": "parquet",
}
SHAPEFILE_PARTS = (".shp.xml", ".dbf", ".shx", ".prj", ".cpg", ".sbn", ".sbx", ".qix", ".qpj")
WORLD_FILES = (".tfw", ".tifw", ".tfwx", ".jgw", ".j2w", ".pgw", ".wld")
SIDECARS = (*SHAPEFILE_PARTS, ".aux.xml", ".aux", ".ovr", ".msk", ".rrd", *WORLD_FILES)
"""Endings of what belongs to the blob of the same name. The longer ones come first."""
METADATA = frozenset(
    [
        "xml",
        "json",
        "txt",
        "md",
        "pdf",
        "htm",
        "html",
        "imd",
        "til",
        "rpb",
        "att",
        "eph",
        "geo",
        "man",
        "yaml",
        "yml",
        "jpg",
        "jpeg",
        "png",
        "gif",
        "xls",
        "xlsx",
        "doc",
        "docx",
        "log",
        "met",
        "md5",
        "sha256",
    ]
)
ARCHIVES = frozenset(["zip", "tar", "gz", "tgz", "bz2", "xz", "7z", "rar", "zst"])
ZARR_MARKS = frozenset({".zgroup", ".zarray", ".zattrs", ".zmetadata", "zarr.json"})


def kind_of(ref: BlobRef) -> tuple[Category, str | None]:
    """The category of a name, and the format where it tells one."""
    extension = extension_of(ref)
    if root_of_zarr(ref.path) is not None:
        return Category.RASTER, "zarr"
    if sidecar_stem(ref.path) is not None:
        return Category.SIDECAR, None
    if extension in RASTERS:
        return Category.RASTER, RASTERS[extension]
    if extension in VECTORS:
        return Category.VECTOR, VECTORS[extension]
    if extension in ARCHIVES:
        return Category.ARCHIVE, extension
    return (Category.METADATA if extension in METADATA else Category.UNKNOWN), None


def sidecar_stem(path: str) -> str | None:
    """What a sidecar's name is without its ending; None of any other name."""
    lower = path.lower()
    ending = next((end for end in SIDECARS if lower.endswith(end)), None)
    return path[: -len(ending)] if ending else None


def root_of_zarr(path: str) -> str | None:
    """The folder of the Zarr store that a blob is part of."""
    folder, _, name = path.rpartition("/")
    parts = folder.split("/")
    for depth, part in enumerate(parts, 1):
        if part.lower().endswith(".zarr"):
            return "/".join(parts[:depth])
    return folder if name in ZARR_MARKS and folder else None


def stem(path: str) -> str:
    """A path without its extension."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{name.rpartition('.')[0] or name}"


def folder_of(path: str) -> str:
    return path.rpartition("/")[0]
