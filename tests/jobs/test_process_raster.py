"""The whole job over good and bad rasters: a correct result, or one attempt and a sentence that says what to do."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.io import MemoryFile

from core.blobs import BlobRef
from core.errors import InvalidParameters
from core.machine import CoreMachine
from core.memory.blobs import MemoryBlobs
from core.memory.catalog import MemoryCatalog
from core.memory.store import MemoryStore
from core.registry import Registry
from core.states import JobStatus
from core.testing import JobRun, run_job
from jobs.process_raster import ProcessRaster
from services.raster.environment import gdal
from services.raster.models import Tier
from tests.support.rasters import (
    SOURCE,
    cells_of,
    classes,
    hills,
    holding,
    mask_of,
    photo,
    refs,
    tiff,
)

LONLAT = "EPSG:4326"


def processed(data: bytes, source: BlobRef = SOURCE, **more: object) -> tuple[MemoryBlobs, JobRun]:
    blobs, catalog = holding(data, source), MemoryCatalog()
    job = ProcessRaster.model_validate({"source": source, "collection": "all", **more})
    run = run_job(job, blobs=blobs, catalog=catalog)
    items = catalog.search({})["features"]
    assert len(items) == (run.status is JobStatus.COMPLETED)
    return blobs, run


def cog(blobs: MemoryBlobs, run: JobRun) -> bytes:
    assert run.status is JobStatus.COMPLETED, run.error
    return blobs.read(run.result.cogs[0].ref)


def masked(size: int = 64) -> bytes:
    """A photo whose left half a mask of its own hides."""
    cells = photo(size)
    with gdal(), MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            width=size,
            height=size,
            count=3,
            dtype="uint8",
            crs="EPSG:32736",
            transform=Affine(10, 0, 5e5, 0, -10, 98e5),
            photometric="rgb",
        ) as dataset:
            dataset.write(cells)
            valid = np.full((size, size), 255, "uint8")
            valid[:, : size // 2] = 0
            dataset.write_mask(valid)
        return memory.read()


def gcps() -> bytes:
    points = [GroundControlPoint(r, c, 30 + c / 100, -r / 100) for r in (0, 63) for c in (0, 63)]
    with gdal(), MemoryFile() as memory:
        with memory.open(
            driver="GTiff", width=64, height=64, count=1, dtype="uint8", gcps=points, crs=LONLAT
        ) as dataset:
            dataset.write(classes(), 1)
        return memory.read()


def vrt() -> bytes:
    return (
        b'<VRTDataset rasterXSize="64" rasterYSize="64"><SRS>EPSG:4326</SRS>'
        b"<GeoTransform>0,1,0,0,0,-1</GeoTransform>"
        b'<VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        b"<SourceFilename>/etc/passwd</SourceFilename><SourceBand>1</SourceBand>"
        b"</SimpleSource></VRTRasterBand></VRTDataset>"
    )


BAD: dict[str, tuple[Callable[[], bytes], dict[str, object], str]] = {
    "empty": (lambda: b"", {}, "is no GeoTIFF and no JPEG 2000; send it in one of these"),
    "not a TIFF": (lambda: b"id,name\n1,x\n", {}, "is no GeoTIFF and no JPEG 2000"),
    "VRT": (vrt, {}, "is no GeoTIFF and no JPEG 2000"),
    "header alone": (lambda: b"II*\0", {}, "is damaged or cut short"),
    "truncated": (lambda: tiff(hills(512))[:200_000], {}, "is damaged or cut short"),
    "damaged in the middle": (
        lambda: (
            (data := tiff(classes(2048), compress="deflate"))[:100_000]
            + bytes(200_000)
            + data[300_000:]
        ),
        {},
        "is damaged or cut short",
    ),
    "no CRS": (lambda: tiff(hills(), crs=None), {}, "has no CRS; pass input_crs"),
    "two CRSs": (lambda: tiff(hills()), {"input_crs": LONLAT}, "leave input_crs away"),
    "a CRS that is none": (lambda: tiff(hills()), {"target_crs": "EPSG:0"}, "is no CRS"),
    "rotated": (
        lambda: tiff(hills(), transform=Affine.rotation(30)),
        {},
        "is rotated or sheared; warp it",
    ),
    "east to west": (
        lambda: tiff(hills(), transform=Affine(-10, 0, 5e5, 0, -10, 98e5)),
        {},
        "runs from east to west; flip it",
    ),
    "no position": (
        lambda: tiff(hills(), transform=Affine.identity()),
        {},
        "has no position on the earth",
    ),
    "GCPs": (gcps, {}, "is placed by 4 ground control points; warp it"),
    "complex": (lambda: tiff(np.ones((8, 8), "complex64")), {}, "complex64 cells"),
    "64-bit integers": (lambda: tiff(np.ones((8, 8), "int64")), {}, "int64 cells"),
    "5,000 bands": (
        lambda: tiff(np.ones((5000, 2, 2), "uint8"), interleave="pixel"),
        {},
        "5000 bands, more than the 512",
    ),
    "a band that is none": (
        lambda: tiff(hills()),
        {"band_names": {"2": "x"}},
        "has bands 1 to 1",
    ),
    "no tier": (
        lambda: tiff(hills()),
        {"tiers": ["visualization"]},
        "no tier that was asked for applies",
    ),
    "torn at 180 degrees": (
        lambda: tiff(classes(), crs="EPSG:32660", transform=Affine(5e3, 0, 6e5, 0, -5e3, 58e5)),
        {"target_crs": LONLAT},
        "leave target_crs away",
    ),
    "warnings in strict mode": (
        lambda: tiff(classes()),
        {"raster_type": "dem", "strict_mode": True},
        "(strict_mode)",
    ),
    "a missing collection": (
        lambda: tiff(hills()),
        {"collection_must_exist": True},
        "there is no collection 'all'",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_fails_once_says_what_to_do_and_leaves_nothing(name: str):
    """R72, R73."""
    make, parameters, told = BAD[name]
    blobs, run = processed(make(), **parameters)
    assert run.status is JobStatus.FAILED
    assert told in run.error["message"]
    attempts = [task.attempts for stage in run.stages.values() for task in stage]
    assert max(attempts) == 1
    assert refs(blobs) == []


GOOD: dict[str, tuple[Callable[[], bytes], dict[str, object]]] = {
    "one cell": (lambda: tiff(hills(1)), {}),
    "one row": (lambda: tiff(hills(700, 1)), {}),
    "one column": (lambda: tiff(hills(1, 700)), {}),
    "three columns": (lambda: tiff(hills(3, 9000)), {}),
    "three rows": (lambda: tiff(hills(9000, 3)), {}),
    "two bands": (lambda: tiff(np.stack([hills(), hills()])), {}),
    "300 bands": (lambda: tiff(np.stack([classes(16)] * 300)), {}),
    "palette": (lambda: tiff(classes(), {10: (1, 2, 3, 255), 20: (4, 5, 6, 255)}), {}),
    "alpha": (lambda: tiff(photo(bands=4), photometric="rgb", alpha="yes"), {}),
    "internal mask": (masked, {}),
    "all nodata": (lambda: tiff(np.full((64, 64), -9999, "float32"), nodata=-9999), {}),
    "all NaN": (lambda: tiff(np.full((64, 64), np.nan, "float32"), nodata=np.nan), {}),
    "NaN without nodata": (lambda: tiff(np.where(hills() > 1050, np.nan, hills())), {}),
    "int8": (lambda: tiff(np.arange(-64, 64, dtype="int8").reshape(8, 16)), {}),
    "infinite": (lambda: tiff(np.where(hills() > 1050, np.inf, hills()).astype("float32")), {}),
    "int16 at its end": (lambda: tiff(np.full((64, 64), -32768, "int16"), nodata=-32768), {}),
    "0 to 360": (
        lambda: tiff(hills(360, 180), crs=LONLAT, transform=Affine(1, 0, 0, 0, -1, 90)),
        {},
    ),
    "across 180 degrees": (
        lambda: tiff(hills(), crs=LONLAT, transform=Affine(0.1, 0, 177, 0, -0.1, 10)),
        {},
    ),
    "north pole": (
        lambda: tiff(hills(), crs="EPSG:3413", transform=Affine(1e4, 0, -32e4, 0, -1e4, 32e4)),
        {},
    ),
    "south pole": (
        lambda: tiff(hills(), crs="EPSG:3031", transform=Affine(1e4, 0, -32e4, 0, -1e4, 32e4)),
        {},
    ),
    "BigTIFF": (lambda: tiff(hills(), bigtiff="yes"), {}),
    "big-endian": (lambda: tiff(hills(), endianness="big"), {}),
    "input CRS": (lambda: tiff(hills(), crs=None), {"input_crs": "EPSG:32735"}),
    "a WKT as CRS": (
        lambda: tiff(hills(), crs="ESRI:54009", transform=Affine(10, 0, 5e5, 0, -10, 5e5)),
        {},
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_odd_but_good_input_keeps_every_cell(name: str):
    make, parameters = GOOD[name]
    data = make()
    blobs, run = processed(data, **parameters)
    result = cog(blobs, run)
    assert np.array_equal(
        cells_of(result), cells_of(data), equal_nan=cells_of(data).dtype.kind == "f"
    )
    assert np.array_equal(mask_of(result), mask_of(data))
    west, south, east, north = run.result.info.grid.bounds_lonlat
    assert -180 <= west <= 180
    assert -180 <= east <= 180
    assert -90 <= south < north <= 90
    assert all("_staged" not in ref for ref in refs(blobs))


def test_a_pole_lies_inside_the_bounds_of_what_covers_it():
    """R72."""
    make, _ = GOOD["north pole"]
    _, run = processed(make())
    west, south, east, north = run.result.info.grid.bounds_lonlat
    assert (west, east, north) == (-180, 180, pytest.approx(90, abs=0.1))
    assert south > 80


def test_south_up_becomes_north_up():
    data = tiff(hills(), transform=Affine(10, 0, 5e5, 0, 10, 98e5))
    blobs, run = processed(data)
    assert np.array_equal(cells_of(cog(blobs, run)), hills()[None, ::-1])


@pytest.mark.parametrize(
    "path",
    [
        "with space.tif",
        "a#b?c=d&e.tif",
        "Höhen/日本.tif",
        "50%.tif",
        "photo.jpg",
        "no-extension",
        "a+b;c,d.tif",
        "two  spaces/'quote'.tif",
    ],
)
def test_any_name_will_do(path: str):
    """R78: names go round whole, and an extension has no say."""
    source = BlobRef(f"bronze/uploads/{path}")
    blobs, run = processed(tiff(hills()), source)
    assert np.array_equal(cells_of(cog(blobs, run)), hills()[None])
    assert run.result.info.source == source
    assert run.result.item_id.isascii()


@pytest.mark.parametrize("stage", ["look", "convert"])
def test_a_blob_that_vanishes_between_stages_fails_for_good(stage: str):
    """R79."""

    class Vanishing(MemoryBlobs):
        asked = 0

        def info(self, ref):
            if ref == SOURCE:
                self.asked += 1
                if self.asked == {"look": 1, "convert": 2}[stage]:
                    self.delete(ref)
            return super().info(ref)

    blobs = Vanishing()
    blobs.write(SOURCE, tiff(hills()))
    run = run_job(ProcessRaster(source=SOURCE, collection="all"), blobs=blobs)
    assert (run.status, run.error["stage"], run.error["code"]) == (
        JobStatus.FAILED,
        stage,
        "bad_input",
    )
    assert "upload" in run.error["message"]
    assert [task.attempts for task in run.tasks(stage)] == [1]
    assert refs(blobs) == []


def test_a_blob_that_changes_between_stages_fails_for_good():
    class Changing(MemoryBlobs):
        asked = 0

        def info(self, ref):
            if ref == SOURCE:
                self.asked += 1
                if self.asked == 2:
                    self.write(ref, tiff(hills() + 1))
            return super().info(ref)

    blobs = Changing()
    blobs.write(SOURCE, tiff(hills()))
    run = run_job(ProcessRaster(source=SOURCE, collection="all"), blobs=blobs)
    assert run.status is JobStatus.FAILED
    assert "was changed after it was looked at; submit it again" in run.error["message"]
    assert refs(blobs) == []


def test_a_blob_never_there_is_told():
    run = run_job(ProcessRaster(source=SOURCE, collection="all"), expect=JobStatus.FAILED)
    assert run.error["message"] == (
        f"{SOURCE} is not there (any more); upload it, then submit again"
    )


def test_jpeg_2000_is_understood():
    with gdal(), MemoryFile(ext=".jp2") as memory:
        with memory.open(
            driver="JP2OpenJPEG",
            width=64,
            height=64,
            count=3,
            dtype="uint8",
            crs="EPSG:32736",
            transform=Affine(10, 0, 5e5, 0, -10, 98e5),
            quality="100",
            reversible="yes",
        ) as dataset:
            dataset.write(photo())
        data = memory.read()
    blobs, run = processed(data)
    assert np.array_equal(cells_of(cog(blobs, run)), photo())


def test_archives_and_other_formats_are_refused_by_their_bytes():
    png = io.BytesIO(b"\x89PNG\r\n\x1a\n" + bytes(64)).read()
    for data in (b"PK\x03\x04" + bytes(64), png, b"\x89HDF\r\n\x1a\n" + bytes(64), b"CDF\x01"):
        blobs, run = processed(data)
        assert "is no GeoTIFF and no JPEG 2000" in run.error["message"]
        assert refs(blobs) == []


@pytest.mark.parametrize(
    "job_type", ["process_raster_docker", "process_raster_v2", "process_large_raster_docker"]
)
def test_what_users_submit_today_is_the_same_job(job_type: str):
    known = {
        "container_name": "bronze-uploads",
        "blob_name": "source.tif",
        "collection_id": "hills",
        "output_tier": "both",
        "raster_type": "auto",
        "jpeg_quality": 90,
        "in_memory": True,
    }
    machine = CoreMachine(Registry.of(ProcessRaster), MemoryStore(), MemoryBlobs())
    today = ProcessRaster(
        source=BlobRef("bronze/uploads/source.tif"),
        collection="hills",
        tiers=[Tier.VISUALIZATION, Tier.ANALYSIS],
        quality=90,
    )
    assert machine.parse(job_type, known).fingerprint == today.fingerprint
    with pytest.raises(InvalidParameters):
        machine.parse(job_type, {**known, "colection_id": "hills"})
