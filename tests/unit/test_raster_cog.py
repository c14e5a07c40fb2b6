"""A COG holds what its source held, proves it, and appears under its name only when it is whole."""

import dataclasses
import hashlib
import threading
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.io import DatasetReader, MemoryFile
from rio_cogeo.cogeo import cog_validate

from core.blobs import BlobRef
from core.errors import BadInput, BadResult, Cancelled, ServiceUnavailable
from core.memory.blobs import MemoryBlobs
from services.raster import bench, cog, proof, sample
from services.raster.cog import Work
from services.raster.environment import gdal
from services.raster.inspect import inspect
from services.raster.models import Cog, RasterInfo, Tier
from services.raster.options import RasterOptions
from services.raster.source import Watch, opened
from services.raster.tiers import profile_of

SOURCE = BlobRef("bronze/uploads/source.tif")
TARGET = BlobRef("silver/cogs/source/analysis.tif")
NORTH_UP = Affine(10, 0, 500_000, 0, -10, 9_800_000)


def tiff(cells: np.ndarray, palette: dict | None = None, **profile: object) -> bytes:
    bands = cells if cells.ndim == 3 else cells[None]
    shape = {"count": bands.shape[0], "height": bands.shape[1], "width": bands.shape[2]}
    usual = {"crs": "EPSG:32736", "transform": NORTH_UP, "dtype": bands.dtype.name}
    with gdal(), MemoryFile() as memory:
        with memory.open(driver="GTiff", **{**shape, **usual, **profile}) as dataset:
            dataset.write(bands)
            if palette:
                dataset.write_colormap(1, palette)
        return memory.read()


def holding(data: bytes) -> MemoryBlobs:
    blobs = MemoryBlobs()
    blobs.write(SOURCE, data)
    return blobs


def build(blobs: MemoryBlobs, *, report=lambda done, note: None, input_crs=None, **options) -> Cog:
    return made_of(blobs, inspect(blobs, SOURCE, input_crs), report, **options)


def made_of(blobs: MemoryBlobs, info: RasterInfo, report=lambda done, note: None, **more) -> Cog:
    work = Work(info, [Tier.ANALYSIS], lambda tier: TARGET, "task-1", **more)
    return cog.build(blobs, work, report).cogs[0]


def dataset(blobs: MemoryBlobs) -> DatasetReader:
    return MemoryFile(blobs.read(TARGET)).open()


def pixels(data: bytes) -> np.ndarray:
    with MemoryFile(data) as memory, memory.open() as source:
        return source.read()


def classes(size: int = 1200) -> np.ndarray:
    return np.random.default_rng(2).choice([10, 20, 90], (size, size)).astype("uint8")


def test_every_cell_of_the_sample_survives():
    blobs = holding(sample.dem())
    made = build(blobs)
    with dataset(blobs) as found:
        assert np.array_equal(found.read(), pixels(blobs.read(SOURCE)))
        assert found.nodata == -9999.0
        assert found.units == ("m",)
        assert found.descriptions == ("elevation",)
        assert found.block_shapes == [(512, 512)]
        assert found.compression.name == "zstd"
        assert found.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    assert made.valid
    assert made.overviews == [2]


def test_the_result_is_read_from_the_file_that_was_stored(tmp_path: Path):
    """R66: the CRS and bounds that are reported are those of the output, not those asked for."""
    blobs = holding(sample.dem())
    made = build(blobs, target_crs="EPSG:4326")
    file = tmp_path / "stored.tif"
    file.write_bytes(blobs.read(TARGET))
    with rasterio.open(file) as found:
        assert made.grid.crs == found.crs.to_string() == "EPSG:4326"
        assert made.grid.bounds == pytest.approx(tuple(found.bounds))
        assert made.grid.bounds_lonlat == made.grid.bounds
        assert (made.grid.width, made.grid.height) == (found.width, found.height)
        assert made.nodata == found.nodata == -9999.0
    assert made.size == file.stat().st_size
    assert made.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert cog_validate(file, quiet=True)[0]


def test_a_cog_in_another_crs_than_ordered_is_an_error(tmp_path: Path):
    """R66: a reprojection that did not happen is noticed."""
    blobs = holding(sample.dem(256))
    build(blobs)
    file = tmp_path / "cog.tif"
    file.write_bytes(blobs.read(TARGET))
    with gdal(), opened(file, "cog") as found:
        facts = proof.facts_of(found)
    elsewhere = facts.grid.model_copy(update={"crs": "EPSG:4326"})
    with pytest.raises(BadInput, match="cannot hold the CRS EPSG:4326"):
        read_back(file, with_(facts, grid=elsewhere))
    with pytest.raises(BadResult, match="nodata"):
        read_back(file, with_(facts, nodata=0.0))
    with pytest.raises(BadResult, match="lost its palette"):
        read_back(file, with_(facts, palette={0: (0, 0, 0, 255)}))


def test_a_tiff_that_is_no_cog_is_an_error(tmp_path: Path):
    file = tmp_path / "plain.tif"
    file.write_bytes(sample.dem())
    with gdal(), opened(file, "plain") as found:
        facts = proof.facts_of(found)
    with pytest.raises(BadResult, match="is not valid"):
        read_back(file, facts)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "uint32", "float32", "float64"])
def test_the_predictor_fits_the_kind_of_number(dtype):
    """R68: 2 for whole numbers, 3 for floats; 64-bit integers never come this far."""
    cells = np.add.outer(np.arange(600), np.arange(600)) % 200
    blobs = holding(tiff(cells.astype(dtype)))
    build(blobs)
    with dataset(blobs) as found:
        predictor = found.tags(ns="IMAGE_STRUCTURE").get("PREDICTOR")
        assert predictor == ("3" if dtype.startswith("float") else "2")
        assert np.array_equal(found.read(1), cells.astype(dtype))


@pytest.mark.parametrize(
    ("cells", "profile"),
    [
        (np.full((4, 64, 64), 200, "uint8"), {"photometric": "rgb", "alpha": "yes"}),
        (np.full((3, 64, 64), 200, "uint16"), {"photometric": "rgb"}),
        (np.full((3, 64, 64), 200, "uint8"), {"photometric": "rgb", "nodata": 0}),
    ],
)
def test_no_picture_becomes_a_jpeg(cells, profile):
    """R67: an analysis COG is lossless whatever the bands, the type and the mask."""
    blobs = holding(tiff(cells, **profile))
    build(blobs)
    with dataset(blobs) as found:
        assert found.compression.name == "zstd"
        assert np.array_equal(found.read(), cells)


def test_classes_are_never_averaged():
    """R69: averaged overviews would invent classes."""
    blobs = holding(tiff(classes()))
    build(blobs)
    with MemoryFile(blobs.read(TARGET)) as memory, memory.open(overview_level=0) as overview:
        assert set(np.unique(overview.read(1))) <= {10, 20, 90}


def test_classes_keep_their_palette():
    palette = {10: (0, 90, 0, 255), 20: (240, 200, 0, 255), 90: (0, 120, 255, 255)}
    blobs = holding(tiff(classes(), palette))
    build(blobs)
    with dataset(blobs) as found:
        assert {k: found.colormap(1)[k] for k in palette} == palette


def test_reprojected_classes_stay_classes():
    blobs = holding(tiff(classes(), nodata=0))
    build(blobs, target_crs="EPSG:4326")
    with dataset(blobs) as found:
        assert set(np.unique(found.read(1))) <= {0, 10, 20, 90}


def test_overviews_that_came_along_are_made_anew(tmp_path: Path):
    file = tmp_path / "odd.tif"
    file.write_bytes(tiff(np.full((1200, 1200), 100.0, "float32")))
    with rasterio.open(file, "r+") as source:
        source.build_overviews([2, 4])
    with rasterio.open(file, "r+", overview_level=0) as overview:
        overview.write(np.zeros((1, 600, 600), "float32"))
    blobs = holding(file.read_bytes())
    build(blobs)
    with MemoryFile(blobs.read(TARGET)) as memory, memory.open(overview_level=0) as overview:
        assert overview.read().min() == 100.0


@pytest.mark.parametrize(
    ("cells", "profile", "bands", "nodata"),
    [
        (np.full((256, 256), 7.5, "float32"), {}, 1, "nan"),
        (np.arange(65536, dtype="uint16").reshape(256, 256), {}, 2, "None"),
        (np.full((3, 256, 256), 200, "uint8"), {"photometric": "rgb"}, 4, "None"),
        (np.full((256, 256), 7, "int16"), {"nodata": -1}, 1, "-1.0"),
    ],
)
def test_the_corners_that_reprojection_opens_are_empty(cells, profile, bands, nodata):
    blobs = holding(tiff(cells, **profile, transform=Affine(900, 0, 500_000, 0, -900, 9_000_000)))
    made = build(blobs, target_crs="EPSG:4326")
    with dataset(blobs) as found:
        mask = found.dataset_mask()
    assert (made.band_count, str(made.nodata)) == (bands, nodata)
    assert 0 < (mask == 0).mean() < 0.2


def test_a_south_up_raster_becomes_north_up_cell_by_cell():
    """R72: south-up transform."""
    cells = np.arange(40_000, dtype="float32").reshape(200, 200)
    blobs = holding(tiff(cells, transform=Affine(10, 0, 500_000, 0, 10, 9_800_000)))
    made = build(blobs)
    with dataset(blobs) as found:
        assert np.array_equal(found.read(1), cells[::-1])
        assert found.transform.e == -10
    assert made.grid.bounds == (500_000, 9_800_000, 502_000, 9_802_000)


def test_input_crs_reaches_the_cog():
    cells = np.arange(40_000, dtype="float32").reshape(200, 200)
    blobs = holding(tiff(cells, crs=None))
    made = build(blobs, input_crs="EPSG:32735")
    with dataset(blobs) as found:
        assert found.crs.to_epsg() == 32735
        assert np.array_equal(found.read(1), cells)
    assert made.grid.crs == "EPSG:32735"


def test_what_crosses_the_180th_meridian_is_not_torn_apart():
    """R72: a raster crossing the 180th meridian."""
    blobs = holding(
        tiff(classes(64), crs="EPSG:32660", transform=Affine(5e3, 0, 6e5, 0, -5e3, 58e5))
    )
    with pytest.raises(BadInput, match="crosses the 180th meridian"):
        build(blobs, target_crs="EPSG:4326")
    assert build(blobs, target_crs="EPSG:3832").grid.crs == "EPSG:3832"
    west, _, east, _ = build(blobs).grid.bounds_lonlat
    assert west > 0 > east


def test_progress_goes_from_nought_to_one_and_never_back():
    heard: list[tuple[float, str]] = []
    build(holding(sample.dem()), report=lambda done, note: heard.append((done, note)))
    fractions = [done for done, _ in heard]
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert fractions == sorted(fractions)
    assert {note.partition(": ")[2].partition(" ")[0] for _, note in heard} >= {
        "fetching",
        "converting",
        "checking",
        "storing",
    }


def test_progress_shows_reading_and_then_writing(monkeypatch):
    """How often it is told depends on who gets the processor, so it may be looked at a few times."""
    monkeypatch.setattr(bench, "BEAT", 0.001)
    noise = np.random.default_rng(3).integers(0, 255, (3, 2048, 2048), "uint8")
    for _ in range(5):
        heard: list[float] = []
        build(holding(tiff(noise)), report=lambda done, note, heard=heard: heard.append(done))
        assert heard == sorted(heard)
        read, written = ({d for d in heard if a < d < a + 0.4} for a in (0.05, 0.45))
        if min(len(read), len(written)) > 3:
            return
    pytest.fail(f"it was told {sorted(read)} while reading and {sorted(written)} while writing")


class Held(Watch):
    """Lets GDAL read a tenth, and no more before it is told to stop."""

    def __init__(self, passes: int) -> None:
        self.told = threading.Event()
        super().__init__(passes)

    @property
    def stopped(self) -> bool:
        return self.done > 0.1 and self.told.wait(60)

    @stopped.setter
    def stopped(self, stopped: bool) -> None:
        if stopped:
            self.told.set()


def test_a_cancelled_task_stops_gdal_and_stores_nothing(monkeypatch):
    monkeypatch.setattr(bench, "BEAT", 0.001)
    noise = np.random.default_rng(3).integers(0, 255, (3, 2048, 2048), "uint8")
    blobs = holding(tiff(noise))
    watches: list[Held] = []
    monkeypatch.setattr(bench, "Watch", lambda passes: watches.append(Held(passes)) or watches[0])

    def cancel(done: float, note: str) -> None:
        if ": converting," in note:
            raise Cancelled("taken away")

    with pytest.raises(Cancelled):
        build(blobs, report=cancel)
    assert stored(blobs) == []
    assert watches[0].done < 1
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("gdal")]


def test_a_stopped_watch_ends_gdals_reading(tmp_path: Path):
    file = tmp_path / "source.tif"
    file.write_bytes(sample.dem())
    watch = Watch()
    watch.stop()
    with (
        pytest.raises(BadInput, match="damaged or cut short"),
        gdal(),
        opened(file, "x", watch) as found,
    ):
        found.read()


def test_damage_that_a_look_does_not_find_is_found_by_building():
    data = bytearray(tiff(np.zeros((2, 4096, 64), "uint8") + 7, compress="deflate", blockysize=1))
    info = inspect(holding(bytes(data)), SOURCE)
    at = data.index(data[-40:])
    data[at:] = bytes(40)
    blobs = holding(bytes(data))
    with pytest.raises(BadInput, match="damaged or cut short"):
        made_of(blobs, info)
    assert stored(blobs) == []


def test_a_full_disk_is_no_fault_of_the_sender(monkeypatch):
    monkeypatch.setattr(bench.shutil, "disk_usage", lambda path: NoRoom())
    data = sample.dem()
    info = inspect(holding(data), SOURCE)
    with pytest.raises(ServiceUnavailable, match="disk of this worker is full"):
        made_of(holding(data[:-9000]), info)


def test_half_an_upload_gets_no_name():
    """R75: a partial upload never becomes visible."""

    class Leaky(MemoryBlobs):
        def put_piece(self, ref, number, data):
            super().put_piece(ref, number, data[:-1])

    blobs = Leaky()
    blobs.write(SOURCE, sample.dem(256))
    with pytest.raises(ServiceUnavailable, match="bytes of analysis"):
        build(blobs)
    assert stored(blobs) == []


def test_a_worker_that_dies_while_storing_leaves_the_old_cog_alone():
    """R75: the final name changes hands only by promotion."""

    class Dies(MemoryBlobs):
        def promote(self, staged, final, *, only_if_new=False):
            raise SystemExit

    blobs = Dies()
    blobs.write(SOURCE, sample.dem(256))
    blobs.write(TARGET, b"the old one")
    with pytest.raises(SystemExit):
        build(blobs)
    assert blobs.read(TARGET) == b"the old one"


@pytest.mark.parametrize(("width", "height"), [(512, 700), (1024, 1500), (2048, 2600), (513, 1024)])
def test_a_cog_whose_overview_is_one_block_wide_is_valid_everywhere(width, height):
    """Validators take a block as wide as its image for rows, so blocks of another size are written."""
    cells = np.add.outer(np.arange(height), np.arange(width)).astype("uint16")
    blobs = holding(tiff(cells))
    assert build(blobs).valid
    assert np.array_equal(pixels(blobs.read(TARGET))[0], cells)


def test_building_again_gives_the_same_bytes():
    blobs = holding(sample.dem(256))
    assert build(blobs).sha256 == build(blobs).sha256


def read_back(file: Path, facts: proof.Facts) -> Cog:
    options = RasterOptions()
    return proof.read_back(file, TARGET, facts, profile_of(Tier.ANALYSIS, options), options)


def with_(facts: proof.Facts, **changes: object) -> proof.Facts:
    return dataclasses.replace(facts, **changes)


def stored(blobs: MemoryBlobs) -> list[str]:
    """Every blob beside the source, staged ones too."""
    return [ref for ref in blobs._blobs if ref != SOURCE]


class NoRoom:
    free = 0
