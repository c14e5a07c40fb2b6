"""Blobs of equal content are found without reading those whose digest storage knows."""

import json
import uuid

from core.blobs import BlobRef, Zone
from core.memory.blobs import MemoryBlobs
from core.states import JobStatus
from core.testing import run_job
from infrastructure.blobs.azure import AzureBlobs
from jobs.find_duplicates import FindDuplicates
from services.storage import duplicates
from services.storage.duplicates import Copy


def fill(blobs, container: str) -> None:
    contents = {"a.tif": b"same", "b/a.tif": b"same", "c.tif": b"diff", "d.tif": b"longer"}
    for name, data in {**contents, "e.json": b"same", "f": b"", "g": b""}.items():
        blobs.write(BlobRef.of(Zone.BRONZE, container, name), data)
    late = BlobRef.of(Zone.BRONZE, container, "pieces.tif")
    blobs.put_piece(late, 0, b"same")
    blobs.commit_pieces(late, 1, content_type="image/tiff")  # so storage knows no digest


def test_equal_blobs_are_found_and_only_what_has_no_digest_is_read(azurite: str) -> None:
    container = f"t{uuid.uuid4().hex}"
    blobs = AzureBlobs(azurite, retries=0)
    fill(blobs, container)
    job = FindDuplicates(container_name=f"bronze-{container}")
    run = run_job(job, blobs=blobs, expect=JobStatus.COMPLETED)
    found = run.result
    [group] = found.largest
    assert [ref.path for ref in group.blobs] == ["a.tif", "b/a.tif", "e.json", "pieces.tif"]
    assert (found.copies, found.wasted_bytes, found.hashed) == (3, 12, 1)
    assert (found.looked_at.count, found.looked_at.bytes) == (8, 26)
    assert json.loads(blobs.read(found.report))["groups"] == [group.model_dump()]
    blobs.close()


def test_names_are_chosen_by_prefix_and_extension() -> None:
    blobs = MemoryBlobs()
    fill(blobs, "abc")

    def found(**chosen: object) -> int:
        return run_job(FindDuplicates(container_name="bronze-abc", **chosen), blobs=blobs).result

    assert found(extensions=["TIF"]).copies == 2
    assert found(prefix="b/").groups == 0


def test_a_blob_that_goes_meanwhile_has_no_equal() -> None:
    """R79."""
    blobs = MemoryBlobs()
    gone = Copy(ref=BlobRef("bronze/abc/x"), size=4, md5=None)
    assert duplicates.hashed(blobs, [gone], lambda: None) == []


def test_what_is_read_is_cut_into_portions() -> None:
    gb = 1024**3
    sizes = [gb, 5, 5, 2 * gb, *[1] * 250]
    copies = [Copy(ref=BlobRef(f"bronze/abc/{n}"), size=s, md5=None) for n, s in enumerate(sizes)]
    assert [len(batch) for batch in duplicates.batches(copies)] == [1, 2, 1, 200, 50]


def test_a_page_that_storage_lists_twice_makes_no_duplicates() -> None:
    """R48."""
    copy = Copy(ref=BlobRef("bronze/abc/x"), size=4, md5="0" * 32)
    assert duplicates.equals(duplicates.suspects([[copy], [copy]]).copies) == []
