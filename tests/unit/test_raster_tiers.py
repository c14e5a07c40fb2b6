"""Tiers: which apply to what, how each is compressed, and what becomes of the empty cells."""

from itertools import product

import numpy as np
import pytest
from rasterio.io import MemoryFile

from core.blobs import BlobRef
from core.errors import BadInput, BadResult
from core.memory.blobs import MemoryBlobs
from core.states import JobStatus
from core.testing import run_job
from jobs.process_raster import ProcessRaster
from services.raster import bench, blocks, cog, tiers
from services.raster.cog import Work
from services.raster.environment import gdal
from services.raster.inspect import inspect
from services.raster.models import Band, Built, RasterInfo, RasterType, Statistics, Tier
from services.raster.options import Lossless, RasterOptions
from services.raster.proof import read_back
from services.raster.tiers import Profile
from tests.support.rasters import (
    SOURCE,
    CountingBlobs,
    cells_of,
    classes,
    hills,
    holding,
    mask_of,
    photo,
    refs,
    tiff,
)
from tests.unit.test_raster_tiling import grid, info

DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]
NOTHING = Statistics(minimum=None, maximum=None, mean=None, valid_share=0.0)


def raster(kind: RasterType, dtype: str, bands: int, *, alpha: bool = False) -> RasterInfo:
    colors = [*(["alpha"] if alpha else []), *["undefined"] * (bands - alpha)][::-1]
    found = [Band(name=f"b{n}", color=color, statistics=NOTHING) for n, color in enumerate(colors)]
    return info(grid(100, 100), dtype=dtype).model_copy(
        update={"raster_type": kind, "bands": found}
    )


def build(blobs: MemoryBlobs, wanted: list[Tier], **more: object) -> Built:
    options = more.pop("options", RasterOptions())
    found = inspect(blobs, SOURCE, options=options)
    work = Work(found, wanted, name, "task-1", **more)
    return cog.build(blobs, work, lambda done, note: None, options)


def name(tier: Tier) -> BlobRef:
    return BlobRef(f"silver/cogs/{tier}.tif")


def made(blobs: MemoryBlobs, tier: Tier) -> bytes:
    return blobs.read(name(tier))


# which tier applies


@pytest.mark.parametrize(("tier", "kind"), list(product(Tier, RasterType)))
def test_every_tier_applies_or_says_why_not(tier: Tier, kind: RasterType):
    for dtype, bands in product(DTYPES, range(1, 6)):
        for alpha in {False, bands > 1}:
            why = tiers.why_not(tier, raster(kind, dtype, bands, alpha=alpha))
            picture = dtype == "uint8" and bands - alpha in (1, 3)
            classes = kind is RasterType.CATEGORICAL
            applies = tier is not Tier.VISUALIZATION or (picture and not classes)
            assert (why is None) == applies
            assert why is None or len(why.split()) > 4


@pytest.mark.parametrize(
    ("cells", "more", "told"),
    [
        (photo().astype("uint16"), {}, "JPEG holds 8-bit cells, not uint16"),
        (hills(), {}, "JPEG holds 8-bit cells, not float32"),
        (photo(bands=5), {}, "JPEG holds one or three bands, not 5"),
        (classes(), {}, "JPEG would blur the classes"),
    ],
)
def test_a_tier_that_does_not_apply_is_skipped_and_told(cells, more, told: str):
    """R67."""
    blobs = holding(tiff(cells, **more))
    built = build(blobs, [Tier.VISUALIZATION, Tier.ANALYSIS])
    assert [c.tier for c in built.cogs] == [Tier.ANALYSIS]
    assert [s.tier for s in built.skipped] == [Tier.VISUALIZATION]
    assert told in built.skipped[0].reason


def test_no_tier_at_all_is_an_error():
    blobs = holding(tiff(hills()))
    with pytest.raises(BadInput, match="no tier applies"):
        build(blobs, [Tier.VISUALIZATION])
    assert refs(blobs) == []


# how each is compressed


@pytest.mark.parametrize("kind", RasterType)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_predictor_fits_the_cells(kind: RasterType, dtype: str):
    """R68."""
    found = tiers.predictor(raster(kind, dtype, 1))
    if dtype.startswith("float"):
        assert found == "FLOATING_POINT"
    else:
        assert found == ("NO" if kind is RasterType.CATEGORICAL else "STANDARD")


@pytest.mark.parametrize("dtype", DTYPES)
def test_lossless_tiers_keep_every_cell_of_every_type(dtype: str):
    cells = np.random.default_rng(4).integers(0, 120, (2, 300, 300)).astype(dtype)
    blobs = holding(tiff(cells))
    build(blobs, [Tier.ARCHIVE, Tier.ANALYSIS])
    for tier in (Tier.ANALYSIS, Tier.ARCHIVE):
        assert np.array_equal(cells_of(made(blobs, tier)), cells)


@pytest.mark.parametrize(
    ("choice", "told"), [(Lossless.DEFLATE, "deflate"), (Lossless.ZSTD, "zstd")]
)
def test_an_installation_chooses_how_analysis_cogs_are_compressed(choice: Lossless, told: str):
    blobs = holding(tiff(hills()))
    built = build(blobs, [Tier.ANALYSIS, Tier.ARCHIVE], options=RasterOptions(compression=choice))
    with MemoryFile(made(blobs, Tier.ANALYSIS)) as memory, memory.open() as found:
        assert found.compression.name == told
    assert [c.compression for c in built.cogs] == [choice.value, "DEFLATE"]


def test_a_profile_that_is_given_counts_more_than_the_settings():
    blobs = holding(tiff(hills()))
    given = Profile(Tier.ANALYSIS, "DEFLATE", level=6, resampling="NEAREST")
    built = build(blobs, [Tier.ANALYSIS], profiles={Tier.ANALYSIS: given})
    with MemoryFile(made(blobs, Tier.ANALYSIS)) as memory, memory.open() as found:
        assert found.compression.name == "deflate"
    assert [c.compression for c in built.cogs] == ["DEFLATE"]


def test_the_archive_is_the_smallest():
    blobs = holding(tiff(photo(1024), photometric="rgb"))
    sizes = {c.tier: c.size for c in build(blobs, [Tier.ANALYSIS, Tier.ARCHIVE]).cogs}
    assert sizes[Tier.ARCHIVE] < sizes[Tier.ANALYSIS]


def test_quality_decides_how_large_a_picture_is():
    noise = np.random.default_rng(1).integers(0, 255, (3, 512, 512), "uint8")
    blobs = holding(tiff(noise, photometric="rgb"))
    sizes = [build(blobs, [Tier.VISUALIZATION], quality=q).cogs[0].size for q in (20, 60, 95)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2] / 2


def test_costs_come_from_the_price_table():
    prices = {Tier.VISUALIZATION: 1e6, Tier.ANALYSIS: 2e6, Tier.ARCHIVE: 5e5}
    blobs = holding(tiff(photo(), photometric="rgb"))
    built = build(blobs, list(Tier), options=RasterOptions(prices=prices))
    for each in built.cogs:
        assert each.monthly_cost == pytest.approx(prices[each.tier] * each.size / 1e9)


@pytest.mark.parametrize(
    ("size", "bands", "dtype", "block"),
    [
        ((3000, 3000), 3, "uint8", 512),
        ((512, 700), 1, "uint8", 256),
        ((1024, 1500), 1, "uint8", 256),
        ((1024, 4096), 1, "uint8", 384),
        ((3000, 3000), 100, "float32", 128),
    ],
)
def test_blocks_fit_the_cells_and_are_never_as_wide_as_the_image(size, bands, dtype, block):
    assert blocks.size_of(*size, bands * np.dtype(dtype).itemsize) == block


@pytest.mark.parametrize("width", [1, 2, 100, 255, 256, 257, 511, 512, 513, 1023, 1024, 1025, 4096])
@pytest.mark.parametrize("height", [1, 511, 513, 1025, 5000, 70_000])
def test_some_block_fits_every_size(width: int, height: int):
    size = blocks.size_of(width, height, 3)
    assert size % 16 == 0
    assert not (width == size and height > 512)


# pictures


def test_a_picture_from_the_lossless_cog_is_the_jpeg_of_its_cells():
    """Made from the COG that is there already, overviews too: no cell is lost on the way."""
    cells = photo(1300)
    blobs = holding(tiff(cells, photometric="rgb"))
    build(blobs, [Tier.VISUALIZATION, Tier.ANALYSIS])
    picture, data = made(blobs, Tier.VISUALIZATION), made(blobs, Tier.ANALYSIS)
    assert far(cells_of(picture), cells) < 2
    for level in (0, 1):
        both = cells_of(picture, overview_level=level), cells_of(data, overview_level=level)
        assert both[0].shape == both[1].shape
        assert far(*both) < 2


def far(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


def test_a_picture_alone_equals_one_that_was_made_beside_others():
    cells = photo(700)
    alone, beside = holding(tiff(cells, photometric="rgb")), holding(tiff(cells, photometric="rgb"))
    build(alone, [Tier.VISUALIZATION])
    build(beside, list(Tier))
    found = [cells_of(made(blobs, Tier.VISUALIZATION)) for blobs in (alone, beside)]
    assert np.array_equal(*found)


@pytest.mark.parametrize("wanted", [[Tier.VISUALIZATION], list(Tier)], ids=["alone", "beside"])
def test_nodata_becomes_a_mask_and_valid_black_stays(wanted: list[Tier]):
    """R67: JPEG would smear nodata into its neighbours, and make black of what is empty."""
    cells = np.clip(photo(700), 40, 250)
    cells[:, :100] = 255  # nodata: a collar
    cells[:, 300:400, 300:400] = 0  # valid black
    blobs = holding(tiff(cells, photometric="rgb", nodata=255))
    build(blobs, wanted)
    picture = made(blobs, Tier.VISUALIZATION)
    expected = mask_of(blobs.read(SOURCE))
    assert (expected[300:400, 300:400] == 255).all()
    assert np.array_equal(mask_of(picture), expected)
    assert cells_of(picture).shape == cells.shape
    assert far(cells_of(picture)[:, 310:390, 310:390], np.zeros((3, 80, 80))) < 2
    with MemoryFile(picture) as memory, memory.open() as found:
        assert found.nodata is None
        assert [flag.name for flag in found.mask_flag_enums[0]] == ["per_dataset"]


@pytest.mark.parametrize("wanted", [[Tier.VISUALIZATION], list(Tier)], ids=["alone", "beside"])
def test_alpha_becomes_a_mask(wanted: list[Tier]):
    """R67."""
    cells = photo(600, bands=4)
    cells[3] = 255
    cells[3, :200] = 0
    blobs = holding(tiff(cells, photometric="rgb", alpha="yes"))
    built = build(blobs, wanted)
    picture = made(blobs, Tier.VISUALIZATION)
    assert np.array_equal(mask_of(picture), cells[3])
    assert next(c for c in built.cogs if c.tier is Tier.VISUALIZATION).band_count == 3
    assert far(cells_of(picture)[:, 210:], cells[:3, 210:]) < 3


def test_a_mask_stays_a_mask():
    cells = photo(600)
    with gdal(), MemoryFile() as memory:
        with MemoryFile(tiff(cells, photometric="rgb")) as plain, plain.open() as found:
            profile = found.profile
        with memory.open(**profile) as target:
            target.write(cells)
            valid = np.full((600, 600), 255, "uint8")
            valid[:, :200] = 0
            target.write_mask(valid)
        blobs = holding(memory.read())
    build(blobs, list(Tier))
    for tier in Tier:
        assert np.array_equal(mask_of(made(blobs, tier)), valid)


def test_gray_stays_gray():
    cells = photo(600, bands=1)
    blobs = holding(tiff(cells))
    built = build(blobs, [Tier.VISUALIZATION, Tier.ANALYSIS])
    assert {c.tier: c.band_count for c in built.cogs} == {Tier.VISUALIZATION: 1, Tier.ANALYSIS: 1}
    assert far(cells_of(made(blobs, Tier.VISUALIZATION)), cells) < 2


def test_gray_with_nodata_gets_a_mask():
    cells = np.clip(photo(600, bands=1), 40, 250)
    cells[:, 200:300] = 0
    blobs = holding(tiff(cells, nodata=0))
    build(blobs, list(Tier))
    assert np.array_equal(mask_of(made(blobs, Tier.VISUALIZATION)) == 0, cells[0] == 0)


def test_colour_is_kept_as_ycbcr_that_readers_show_as_rgb():
    blobs = holding(tiff(photo(600), photometric="rgb"))
    build(blobs, [Tier.VISUALIZATION])
    with MemoryFile(made(blobs, Tier.VISUALIZATION)) as memory, memory.open() as found:
        assert (found.compression.name, found.photometric.name) == ("jpeg", "ycbcr")
        assert [c.name for c in found.colorinterp] == ["red", "green", "blue"]


# several at once


def test_all_tiers_come_from_one_reading():
    blobs = CountingBlobs()
    blobs.write(SOURCE, tiff(photo(2000), photometric="rgb"))
    found = inspect(blobs, SOURCE)
    blobs.reads.spans.clear()
    work = Work(found, list(Tier), name, "task-1")
    assert len(cog.build(blobs, work, lambda done, note: None).cogs) == 3
    assert blobs.reads.bytes == blobs.info(SOURCE).size


def test_one_tier_that_fails_is_reported_beside_the_others(monkeypatch):
    """R76."""
    break_tier(monkeypatch, Tier.ARCHIVE)
    blobs = holding(tiff(photo(), photometric="rgb"))
    run = run_job(
        ProcessRaster(source=SOURCE, collection="all", tiers=list(Tier)),
        blobs=blobs,
        expect=JobStatus.COMPLETED,
    )
    assert {c.tier for c in run.result.cogs} == {Tier.ANALYSIS, Tier.VISUALIZATION}
    assert [(f.tier, f.reason) for f in run.result.failed] == [
        (Tier.ARCHIVE, "it lost its palette")
    ]
    assert not [ref for ref in refs(blobs) if "archive" in ref]


def test_one_tier_that_fails_fails_the_job_where_that_is_asked(monkeypatch):
    break_tier(monkeypatch, Tier.ARCHIVE)
    job = ProcessRaster(source=SOURCE, collection="all", tiers=list(Tier), strict_mode=True)
    run = run_job(job, blobs=holding(tiff(photo(), photometric="rgb")), expect=JobStatus.FAILED)
    assert run.error["message"] == "archive failed: it lost its palette (strict_mode)"


def test_all_tiers_that_fail_are_an_error(monkeypatch):
    break_tier(monkeypatch, *Tier)
    blobs = holding(tiff(photo(), photometric="rgb"))
    run = run_job(ProcessRaster(source=SOURCE, collection="all", tiers=list(Tier)), blobs=blobs)
    assert (run.status, run.error["code"]) == (JobStatus.FAILED, "bad_result")
    assert refs(blobs) == []


def break_tier(monkeypatch: pytest.MonkeyPatch, *broken: Tier) -> None:
    def read(file, target, expected, profile, options):
        if profile.tier in broken:
            raise BadResult("it lost its palette")
        return read_back(file, target, expected, profile, options)

    monkeypatch.setattr(bench, "read_back", read)
