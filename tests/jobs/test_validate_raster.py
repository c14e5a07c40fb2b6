"""A raster is checked to its last block, and nothing is made of it."""

import numpy as np

from core.blobs import BlobRef
from core.memory.blobs import MemoryBlobs
from core.states import JobStatus
from core.testing import run_job
from jobs.process_raster import ProcessRaster
from jobs.validate_raster import ValidateRaster
from services.raster.checkup import Checkup
from services.raster.models import RasterType
from services.raster.options import RasterOptions
from tests.support.rasters import SOURCE, classes, hills, holding, photo, refs, tiff


def checked(blobs: MemoryBlobs, *, options: tuple = (), **more: object) -> Checkup:
    job = ValidateRaster.model_validate({"source": SOURCE, **more})
    return run_job(job, blobs=blobs, options=options, expect=JobStatus.COMPLETED).result


def test_a_good_raster_is_told_with_what_each_tier_would_do():
    blobs = holding(tiff(hills(600)))
    found = checked(blobs)
    assert (found.valid, found.problems, found.tiles) == (True, [], 1)
    assert found.info.raster_type is RasterType.DEM
    told = {plan.tier.value: plan for plan in found.tiers}
    assert told["visualization"].reason == "JPEG holds 8-bit cells, not float32"
    assert [told[t].applies for t in ("visualization", "analysis", "archive")] == [
        False,
        True,
        True,
    ]
    assert (told["analysis"].compression, told["archive"].compression) == ("ZSTD", "DEFLATE")
    assert refs(blobs) == []


def test_what_is_suggested_can_be_submitted():
    blobs = holding(tiff(photo()))
    found = checked(blobs)
    assert found.suggested["tiers"] == ["visualization", "analysis"]
    job = ProcessRaster.model_validate({**found.suggested, "collection": "photos"})
    assert run_job(job, blobs=blobs).status is JobStatus.COMPLETED


def test_a_cog_is_known_as_one_and_a_plain_tiff_with_what_it_lacks():
    blobs = holding(tiff(classes(1200)))
    found = checked(blobs)
    assert not found.is_cog
    assert any("tiled" in fault or "overviews" in fault for fault in found.cog_faults)
    run = run_job(ProcessRaster(source=SOURCE, collection="x"), blobs=blobs)
    blobs.write(SOURCE, blobs.read(run.result.cogs[0].ref))
    again = checked(blobs)
    assert (again.is_cog, again.cog_faults) == (True, [])


def test_damage_in_the_last_block_is_found():
    data = bytearray(
        tiff(np.random.default_rng(1).integers(0, 255, (2048, 512), "uint8"), compress="deflate")
    )
    data[-4000:] = bytes(4000)
    blobs = holding(bytes(data))
    found = checked(blobs, raster_type="continuous")
    assert not found.valid
    assert "damaged or cut short" in found.problems[0]


def test_a_problem_is_the_answer_not_a_failure():
    found = checked(holding(tiff(hills(), crs=None)))
    assert (found.valid, found.info) == (False, None)
    assert found.problems == [f"{SOURCE} has no CRS; pass input_crs"]
    assert checked(holding(tiff(hills(), crs=None)), input_crs="EPSG:32736").valid


def test_strict_mode_makes_a_problem_or_a_warning_a_failure():
    blobs = holding(tiff(classes()))
    for more in ({"raster_type": "dem"}, {"input_crs": "EPSG:4326"}):
        job = ValidateRaster.model_validate({"source": SOURCE, "strict_mode": True, **more})
        run = run_job(job, blobs=blobs)
        assert (run.status, run.error["code"]) == (JobStatus.FAILED, "bad_input")
        assert "(strict_mode)" in run.error["message"]


def test_a_missing_blob_fails_at_once():
    run = run_job(ValidateRaster(source=SOURCE), expect=JobStatus.FAILED)
    assert "is not there" in run.error["message"]
    assert run.tasks("look")[0].attempts == 1


def test_a_giant_is_told_by_its_tiles():
    found = checked(
        holding(tiff(hills(1536), tiled=True, blockxsize=512, blockysize=512)),
        options=(RasterOptions(tile_above_gb=0.001, tile_size=512),),
    )
    assert found.tiles == 9


def test_known_names_are_understood():
    job = ValidateRaster.model_validate(
        {"container_name": "rasters", "blob_name": "a.tif", "raster_type": "auto"}
        | {"_skip_validation": False}
    )
    assert (job.source, job.raster_type) == (BlobRef("bronze/rasters/a.tif"), None)
