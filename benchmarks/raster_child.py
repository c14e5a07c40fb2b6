"""One measurement of the pipeline in a process of its own, so that its memory is its own: JSON in, JSON out."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.raster_disk import AllOnDisk, SourceOnDisk
from core import Context, Results
from core.blobs import BlobRef
from core.memory.blobs import MemoryBlobs
from core.memory.catalog import MemoryCatalog
from infrastructure.blobs.azure import AzureBlobs
from jobs.process_raster import ProcessRaster
from services.raster import cog, sample
from services.raster.inspect import inspect
from services.raster.models import Tier
from services.raster.options import RasterOptions
from services.raster.tiers import Profile
from triggers.memory import few_arenas, peak


def convert(order: dict[str, Any]) -> dict[str, Any]:
    """Look, convert, verify and store, in a process that has converted before, as a worker has."""
    source = BlobRef(order["source"])
    blobs = _storage(order, source)
    options = RasterOptions(scratch=Path(order["scratch"]))
    _warm(options)
    began = time.perf_counter()
    info = inspect(blobs, source, options=options)
    work = cog.Work(
        info=info,
        tiers=[Tier(tier) for tier in order["tiers"]],
        name=lambda tier: BlobRef(f"silver/bench/{source.name}_{tier}.tif"),
        token=f"bench-{time.time_ns()}",
        profiles=_profiles(order.get("resampling")),
    )
    built = cog.build(blobs, work, lambda done, note: None, options)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "size": built.cogs[0].size}


def giant(order: dict[str, Any]) -> dict[str, Any]:
    """The whole job, tile by tile in one process, its progress and its room on disk watched."""
    blobs, source = AzureBlobs(order["storage"]), BlobRef(order["source"])
    scratch = Path(order["scratch"])
    job = ProcessRaster(source=source, collection="giants")
    heard: list[float] = []
    peaks: list[int] = []
    began = time.perf_counter()
    with largest(scratch) as disk:
        ctx = Context(
            blobs=blobs,
            catalog=MemoryCatalog(),
            options={RasterOptions: RasterOptions(scratch=scratch)},
            reporter=lambda done, note: heard.append(done),
        )
        info = job.look(ctx)
        orders = job.plan_tiles(ctx, info)
        built = []
        for each in orders:
            built.append(job.convert(ctx, each, info))
            if built[-1].cogs:
                peaks.append(peak())
        published = job.publish(ctx, Results.of(*built), info)
    assert published.tiles is not None
    return {
        "seconds": time.perf_counter() - began,
        "tiles": published.tiles.tiles,
        "empty": published.tiles.empty,
        "size": published.tiles.bytes,
        "disk": disk(),
        "progress": heard[-1],
        "grown": peaks[-1] - peaks[len(peaks) // 2],
    }


def _storage(order: dict[str, Any], source: BlobRef) -> AzureBlobs:
    """Where source and COG lie: both in storage, or as much on the local disk as the order says."""
    match order["on_disk"]:
        case "source":
            return SourceOnDisk(order["storage"], source, Path(order["file"]))
        case "all":
            return AllOnDisk(order["storage"], source, Path(order["file"]))
        case _:
            return AzureBlobs(order["storage"])


def _warm(options: RasterOptions) -> None:
    """Libraries load their tables with the first raster."""
    blobs, ref = MemoryBlobs(), BlobRef("bronze/bench/warm.tif")
    blobs.write(ref, sample.dem(256))
    info = inspect(blobs, ref, options=options)
    name = BlobRef("silver/bench/warm.tif")
    work = cog.Work(info=info, tiers=[Tier.ANALYSIS], name=lambda tier: name, token="warm")  # noqa: S106
    cog.build(blobs, work, lambda done, note: None, options)


def _profiles(resampling: str | None) -> dict[Tier, Profile]:
    """What GDAL does when it is told nothing: level 6, and overviews as it makes them."""
    if resampling is None:
        return {}
    return {Tier.ANALYSIS: Profile(Tier.ANALYSIS, "DEFLATE", level=6, resampling=resampling)}


@contextmanager
def largest(folder: Path) -> Iterator[Callable[[], int]]:
    """How many bytes the folder held at most."""
    most, stop = [0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.2):
            most[0] = max(most[0], _size(folder))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    yield lambda: most[0]
    stop.set()
    thread.join()


def _size(folder: Path) -> int:
    """What goes away while it is looked at counts for nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(place, name).stat().st_blocks * 512
    return total


if __name__ == "__main__":
    few_arenas()  # as a worker does
    asked = json.loads(sys.argv[1])
    result = {"convert": convert, "giant": giant}[asked["do"]](asked)
    print(json.dumps({**result, "peak": peak()}))
