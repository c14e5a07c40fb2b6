"""An existing Zarr store comes into the catalog whole, or not at all."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr

from core import BlobRef, Context
from core.errors import BlobChanged
from core.memory.blobs import MemoryBlobs
from core.memory.catalog import MemoryCatalog
from core.results import Results
from core.states import JobStatus
from core.testing import run_job
from infrastructure.blobs.azure import AzureBlobs
from jobs.ingest_zarr import IngestZarr
from services.grids import copy, opened
from services.grids.listing import blobs_below
from services.grids.models import Share
from services.grids.store import BlobStore
from tests.support.grids import LAT, LON

SOURCE = BlobRef("bronze/zarr/climate.zarr")
VALUES = np.random.default_rng(5).normal(size=(10, 18, 36)).astype("f4")


def climate(chunks: tuple[int, ...] = (5, 9, 12)) -> xr.Dataset:
    return xr.Dataset(
        {"rain": (("time", "lat", "lon"), VALUES, {"units": "mm"}, {"chunks": chunks})},
        {
            "time": ("time", np.arange(10), {"units": "days since 2001-01-01"}),
            "lat": ("lat", np.linspace(-85, 85, 18), LAT),
            "lon": ("lon", np.linspace(-175, 175, 36), LON),
        },
    )


def stored(blobs: Any, version: int = 3, consolidated: bool = True, root: BlobRef = SOURCE) -> Any:
    with opened.understood(root):
        climate().to_zarr(BlobStore(blobs, root), zarr_format=version, consolidated=consolidated)
    return blobs


def job(**parameters: Any) -> IngestZarr:
    return IngestZarr(source=SOURCE, collection="climate", **parameters)


def read(blobs: Any, root: BlobRef) -> np.ndarray:
    with (
        opened.understood(root),
        xr.open_zarr(BlobStore(blobs, root, read_only=True), chunks=None) as found,
    ):
        return found["rain"].values


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("consolidated", [True, False])
def test_a_store_of_either_version_is_copied_cell_for_cell(
    version: int, consolidated: bool
) -> None:
    """R168: every version, with consolidated metadata and without; the copy always has it."""
    blobs, catalog = stored(MemoryBlobs(), version, consolidated), MemoryCatalog()
    result = run_job(job(), blobs=blobs, catalog=catalog, expect=JobStatus.COMPLETED).result
    assert result.data.startswith("silver/grids/climate/climate/")
    assert (read(blobs, result.data) == VALUES).all()
    assert (result.info.format, result.info.consolidated) == (f"zarr{version}", True)
    item = catalog.item("climate", "climate")
    assert item is not None
    assert item["assets"]["data"]["zarr:zarr_format"] == version


def test_empty_consolidated_metadata_does_not_hide_the_arrays() -> None:
    """R136: version 3 with consolidated metadata that names nothing."""
    blobs = MemoryBlobs()
    empty = BlobRef("bronze/zarr/empty.zarr")
    with opened.understood(empty):
        zarr.create_group(BlobStore(blobs, empty), zarr_format=3)
        zarr.consolidate_metadata(BlobStore(blobs, empty))
    root = blobs.read(BlobRef(f"{empty}/zarr.json"))
    stored(blobs, consolidated=False)
    blobs.write(BlobRef(f"{SOURCE}/zarr.json"), root)
    result = run_job(job(), blobs=blobs, expect=JobStatus.COMPLETED).result
    assert [cube.name for cube in result.info.cubes] == ["rain"]


def test_without_a_copy_the_store_is_cataloged_where_it_lies() -> None:
    blobs, catalog = stored(MemoryBlobs()), MemoryCatalog()
    before = [info.etag for info in blobs_below(blobs, SOURCE)]
    run = run_job(job(copy_data=False), blobs=blobs, catalog=catalog, expect=JobStatus.COMPLETED)
    item = catalog.item("climate", "climate")
    assert item is not None
    assert item["assets"]["data"]["href"] == SOURCE == run.result.data
    assert [info.etag for info in blobs_below(blobs, SOURCE)] == before
    assert not run.tasks("copy_batch")


def test_a_trailing_slash_means_the_same_store() -> None:
    blobs = stored(MemoryBlobs())
    slashed = IngestZarr(source=BlobRef(f"{SOURCE}/"), collection="climate")
    assert run_job(slashed, blobs=blobs, expect=JobStatus.COMPLETED).result.item == "climate"


def test_ten_thousand_chunks_are_copied_in_batches_and_counted() -> None:
    """R89: a store of 10,000 chunks is done by many tasks, none of which is long."""
    blobs = stored(MemoryBlobs())
    for n in range(10_000):
        blobs.write(BlobRef(f"{SOURCE}/extra/{n:05d}"), b"x" * (n % 50))
    run = run_job(job(), blobs=blobs, expect=JobStatus.COMPLETED)
    assert len(run.tasks("copy_batch")) == 21
    kept = [i for i in blobs_below(blobs, SOURCE) if i.ref != f"{SOURCE}/zarr.json"]
    assert run.result.copied == Share(count=len(kept), bytes=sum(info.size for info in kept))


def test_a_neighbour_whose_name_begins_alike_is_not_copied() -> None:
    blobs = stored(MemoryBlobs())
    blobs.write(BlobRef("bronze/zarr/climate.zarr.backup/secret"), b"x")
    target = run_job(job(), blobs=blobs, expect=JobStatus.COMPLETED).result.data
    assert not [info for info in blobs_below(blobs, target) if "secret" in info.ref]


def test_a_batch_copied_again_changes_nothing() -> None:
    blobs = stored(MemoryBlobs())
    run = run_job(job(), blobs=blobs, expect=JobStatus.COMPLETED)
    target = run.result.data
    before = {i.ref: blobs.read(i.ref) for i in blobs_below(blobs, target)}
    [batch], info = run.results(IngestZarr.list_batches)[0], run.results(IngestZarr.look)[0]
    share = job().copy_batch(Context(blobs=blobs), batch, info)
    job().publish(Context(blobs=blobs, catalog=MemoryCatalog()), Results.of(share), info)
    assert {i.ref: blobs.read(i.ref) for i in blobs_below(blobs, target)} == before


def test_a_store_that_is_still_written_fails_the_job() -> None:
    blobs = stored(MemoryBlobs())
    batch = copy.batches(blobs, SOURCE)[0]
    blobs.write(BlobRef(f"{SOURCE}/rain/c/late"), b"x")
    with pytest.raises(BlobChanged, match="was changed while it was copied"):
        copy.copy(blobs, SOURCE, batch, BlobRef("silver/grids/x.zarr"), lambda: None)


def test_a_chunk_that_did_not_arrive_keeps_the_item_away() -> None:
    blobs, catalog = stored(MemoryBlobs()), MemoryCatalog()
    run = run_job(job(), blobs=blobs, expect=JobStatus.COMPLETED)
    blobs.delete(next(i.ref for i in blobs_below(blobs, run.result.data) if "/rain/c/" in i.ref))
    shares, info = run.results(IngestZarr.copy_batch), run.results(IngestZarr.look)[0]
    with pytest.raises(Exception, match="arrived at"):
        job().publish(Context(blobs=blobs, catalog=catalog), Results.of(shares[0]), info)
    assert catalog.item("climate", "climate") is None


@pytest.mark.parametrize(
    ("blob", "content", "reason"),
    [
        ("readme.txt", b"hello", "there is no Zarr store"),
        ("zarr.json", b"{not json", "cannot be read"),
        ("zarr.json", b'{"zarr_format": 3, "node_type": "group"}', "holds no variables"),
        (".zgroup", b'{"zarr_format": 7}', "cannot be read"),
    ],
)
def test_what_is_no_store_fails_with_a_reason(blob: str, content: bytes, reason: str) -> None:
    blobs = MemoryBlobs()
    blobs.write(BlobRef(f"{SOURCE}/{blob}"), content)
    run = run_job(job(), blobs=blobs, expect=JobStatus.FAILED)
    assert run.error is not None
    assert reason in run.error["message"]
    assert run.tasks("look")[0].attempts == 1


PICKLE = {"id": "pickle", "protocol": 5}


@pytest.mark.parametrize(
    "change",
    [
        {"filters": [PICKLE]},
        {"compressor": PICKLE},
        {"dtype": "|O", "fill_value": "", "filters": [{"id": "vlen-utf8"}, PICKLE]},
    ],
)
def test_a_store_that_would_run_code_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    """A pickle in a coordinate: opening it would run what the sender wrote."""
    blobs = stored(MemoryBlobs(), 2, False)
    meta = json.loads(blobs.read(BlobRef(f"{SOURCE}/lat/.zarray")))
    meta |= {"filters": None, "compressor": None, **change}
    blobs.write(BlobRef(f"{SOURCE}/lat/.zarray"), json.dumps(meta).encode())
    blobs.write(BlobRef(f"{SOURCE}/lat/0"), pickle.dumps(Evil(tmp_path / "was-here")))
    run = run_job(job(), blobs=blobs, expect=JobStatus.FAILED)
    assert run.error is not None
    assert not (tmp_path / "was-here").exists()
    assert "pickle" in run.error["message"]


class Evil:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_a_large_chunk_goes_by_way_of_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy, "HELD", 100)
    blobs = stored(MemoryBlobs())
    result = run_job(job(), blobs=blobs, expect=JobStatus.COMPLETED).result
    assert (read(blobs, result.data) == VALUES).all()


def test_a_store_in_azure_storage_is_copied_there(azurite: str) -> None:
    blobs, catalog = AzureBlobs(azurite), MemoryCatalog()
    root = BlobRef("bronze/grids-ingest/climate.zarr")
    stored(blobs, 3, False, root)
    azure = IngestZarr(source=root, collection="azure-ingest")
    result = run_job(azure, blobs=blobs, catalog=catalog, expect=JobStatus.COMPLETED).result
    assert (read(blobs, result.data) == VALUES).all()
    assert catalog.item("azure-ingest", "climate") is not None
    blobs.close()
