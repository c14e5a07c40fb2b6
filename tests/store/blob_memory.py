"""What it takes to let a blob through: `python -m tests.store.blob_memory STORAGE BLOB BYTES` tells it of a new process."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

from core.blobs import BlobRef
from infrastructure.blobs.azure import AzureBlobs
from tests.store.blob_proxy import Zeros

FEW = 1_000


def peak_growth(work: Callable[[], object]) -> int:
    """How far resident memory rose above its level before."""
    Path("/proc/self/clear_refs").write_text("5")
    before = high_water()
    work()
    return high_water() - before


def high_water() -> int:
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+)", status)
    assert found is not None
    return int(found[1]) * 1024


def ways(blobs: AzureBlobs, ref: BlobRef, size: int) -> list[Callable[[], int]]:
    """Write so much, read it in chunks, and copy it to the disk; each gives the bytes it has seen."""

    def local() -> int:
        with blobs.local(ref) as file:
            return file.stat().st_size

    return [
        lambda: blobs.write(ref, Zeros(size)).size,
        lambda: sum(len(chunk) for chunk in blobs.chunks(ref)),
        local,
    ]


def main(storage: str, name: str, size: int) -> None:
    """Bytes and memory of each way, once its modules are imported and its connections open."""
    blobs, ref = AzureBlobs(storage, retries=0), BlobRef(name)
    for way in ways(blobs, ref, FEW):
        way()
    seen: list[int] = []
    peaks = [peak_growth(lambda way=way: seen.append(way())) for way in ways(blobs, ref, size)]
    print(json.dumps(list(zip(seen, peaks, strict=True))))
    blobs.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
