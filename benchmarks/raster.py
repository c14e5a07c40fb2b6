"""`python -m benchmarks.raster`: rasters converted beside the usual tools, giants, wide containers and the catalog."""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

from benchmarks import raster_inputs as inputs
from benchmarks import raster_peers as peers
from benchmarks.raster_catalog import catalog_rows
from benchmarks.raster_inputs import Input
from benchmarks.raster_peers import Took
from benchmarks.rig import wait_for_quiet
from benchmarks.table import Machine, Report, Row
from core import Context
from core.blobs import BlobRef
from infrastructure.blobs.azure import AzureBlobs
from jobs.process_container import ProcessContainer
from services.raster.options import RasterOptions
from triggers.local.azurite import Azurite

BUSY = 0.3
FASTER, SAME, TWO = 0.65, 1.05, 1.5
MEMORY = 500 << 20
LISTED = 30.0
MANY = 8
"""With fewer tiles than this, the first ones still warm up."""
SAVED = Path(".local/benchmarks-raster.json")
RGB, TWO_TIERS, AS_GDAL = "ours", "ours, two tiers", "ours, as gdal_translate"
FETCHED = "ours, fetched from storage too"
BOTH = ("analysis", "visualization")
GDAL, RIO, TUNED = "gdal_translate", "rio cogeo", "gdal_translate, tuned"


@dataclass(frozen=True, slots=True)
class Sizes:
    """The full run is what the numbers of the documentation come from; the quick one shows that all works."""

    rasters: tuple[Input, ...]
    giants: tuple[Input, ...]
    blobs: int = 10_000
    items: int = 10_000
    rounds: int = 3
    quiet_wait: int = 5


def _few(row: int, column: int) -> bool:
    return row % 97 == 5 and column % 89 == 7


SPARSE = (("nodata", -9999.0), ("compress", "deflate"), ("sparse_ok", True))
FULL = Sizes(
    rasters=(
        Input("200 MB RGB", 8192, 8192, inputs.colour),
        Input("1 GB RGB", 18_432, 18_432, inputs.colour),
        Input("1 GB DEM", 16_384, 16_384, inputs.heights, (("nodata", -9999.0),)),
        Input("300 MB classes", 17_408, 17_408, inputs.classes),
    ),
    giants=(
        Input(
            "8 GB RGB", 51_200, 51_200, inputs.colour,
            (("compress", "deflate"), ("zlevel", 1), ("num_threads", "ALL_CPUS")),
            lambda row, column: (row + column) % 4 == 0,
        ),
        Input("300,000 x 150,000 sparse", 300_000, 150_000, inputs.heights, SPARSE, _few),
    ),
)  # fmt: skip
QUICK = Sizes(
    rasters=(Input("3 MB RGB", 1024, 1024, inputs.colour),),
    giants=(Input("60,000 x 30,000 sparse", 60_000, 30_000, inputs.heights, SPARSE, _few),),
    blobs=1_050,
    items=200,
    rounds=1,
    quiet_wait=0,
)


class Yard:
    """A private Azurite, a folder, and what is measured in them."""

    def __init__(self, storage: str, folder: Path, sizes: Sizes, notes: list[str]) -> None:
        self.storage, self.folder, self.sizes, self.notes = storage, folder, sizes, notes
        self.blobs = AzureBlobs(storage)
        self.scratch = folder / "scratch"
        self.scratch.mkdir()

    def order(self, do: str, source: BlobRef, **more: Any) -> dict[str, Any]:
        usual = {"do": do, "storage": self.storage, "source": source}
        return {**usual, "scratch": str(self.scratch), **more}

    def convert(
        self,
        source: BlobRef,
        file: Path,
        tiers: Sequence[str] = ("analysis",),
        on_disk: str = "source",
        **more: Any,
    ) -> Took:
        """Peers read from the disk, so ours does too; what it makes is stored, unless all stays on disk."""
        what = {"tiers": tiers, "on_disk": on_disk, "file": str(file), **more}
        return Took(**peers.ours(self.order("convert", source, **what)))

    @contextmanager
    def stored(self, made: Input) -> Iterator[tuple[Path, BlobRef]]:
        """The raster on disk for the peers, and in storage for us; gone afterwards."""
        file = made.write(self.folder)
        ref = BlobRef(f"bronze/bench/{file.name}")
        with file.open("rb") as data:
            self.blobs.write(ref, data)
        try:
            yield file, ref
        finally:
            file.unlink()
            self.blobs.delete(ref)


def convert_rows(yard: Yard) -> list[Row]:
    rows: list[Row] = []
    if not peers.has_gdal():
        yard.notes.append("No gdal_translate here (Debian: gdal-bin), so its rows are missing.")
    for made in yard.sizes.rasters:
        with yard.stored(made) as (file, ref):
            rows += judged(made, in_turns(runs(yard, made, file, ref), yard.sizes.rounds))
    return rows


def runs(yard: Yard, made: Input, file: Path, ref: BlobRef) -> dict[str, Callable[[], Took]]:
    target, colour = yard.folder / "peer.tif", made.texture is inputs.colour
    classes = made.texture is inputs.classes
    found: dict[str, Callable[[], Took]] = {
        RGB: lambda: yard.convert(ref, file),
        FETCHED: lambda: yard.convert(ref, file, on_disk="nothing"),
        RIO: lambda: peers.rio_cogeo(file, target),
    }
    if peers.has_gdal():
        found[GDAL] = lambda: peers.gdal_translate(file, target)
        found[TUNED] = lambda: peers.gdal_tuned(file, target, predictor=not classes)
        resampling = "NEAREST" if classes else "CUBIC"
        found[AS_GDAL] = lambda: yard.convert(ref, file, on_disk="all", resampling=resampling)
    if colour:
        found[TWO_TIERS] = lambda: yard.convert(ref, file, BOTH, on_disk="nothing")
    return found


def in_turns(found: dict[str, Callable[[], Took]], rounds: int) -> dict[str, list[Took]]:
    """A busy moment hits all of them alike."""
    took: dict[str, list[Took]] = {name: [] for name in found}
    for _ in range(rounds):
        for name, run in found.items():
            took[name].append(run())
    return took


def judged(made: Input, took: dict[str, list[Took]]) -> list[Row]:
    fastest = min((n for n in (GDAL, RIO) if n in took), key=lambda n: seconds(took[n]))
    rows = [speed(made, took, RGB, fastest, FASTER), size_row(made, took, fastest)]
    if FETCHED in took:
        rows.append(speed(made, took, FETCHED, fastest, None))
    if AS_GDAL in took:
        rows.append(speed(made, took, AS_GDAL, TUNED, SAME))
    if TWO_TIERS in took:
        rows.append(speed(made, took, TWO_TIERS, FETCHED, TWO))
    return [*rows, memory_row(made, took)]


def speed(
    made: Input, took: dict[str, list[Took]], one: str, other: str, most: float | None
) -> Row:
    ratios = [a.seconds / b.seconds for a, b in zip(took[one], took[other], strict=True)]
    middle = median(ratios)
    return Row(
        f"{made.name}: {one}",
        f"{seconds(took[one]):.2f} s",
        f"{other} {seconds(took[other]):.2f} s ({min(ratios):.2f}..{middle:.2f}..{max(ratios):.2f})",
        middle,
        f"<= {most:.2f} x" if most else "",
        middle <= most if most else None,
    )


def size_row(made: Input, took: dict[str, list[Took]], peer: str) -> Row:
    size, other = took[RGB][0].size, took[peer][0].size
    beside = f"{peer} {other / 1e6:.1f} MB"
    ratio = size / other
    return Row(
        f"{made.name}: size", f"{size / 1e6:.1f} MB", beside, ratio, "no larger", size <= other
    )


def memory_row(made: Input, took: dict[str, list[Took]]) -> Row:
    most = max(each.peak for each in took[RGB])
    cache = RasterOptions().cache_bytes
    told = ", ".join(f"{n} {took[n][0].peak >> 20} MB" for n in (GDAL, RIO) if n in took)
    return Row(
        f"{made.name}: memory at most", f"{most >> 20} MB", told, None,
        f"<= {MEMORY >> 20} MB + {cache >> 20} MB cache", most <= MEMORY + cache,
    )  # fmt: skip


def seconds(took: list[Took]) -> float:
    return median(each.seconds for each in took)


def giant_rows(yard: Yard) -> list[Row]:
    rows: list[Row] = []
    for made in yard.sizes.giants:
        with yard.stored(made) as (_, ref):
            rows.append(giant_row(made, peers.ours(yard.order("giant", ref))))
    return rows


def giant_row(made: Input, found: dict[str, Any]) -> Row:
    cache = RasterOptions().cache_bytes
    grown = found["grown"] if found["tiles"] >= MANY else 0
    flat = found["peak"] <= MEMORY + cache and grown <= MEMORY // 5
    return Row(
        f"{made.name}: {found['tiles']} tiles, {found['empty']} empty",
        f"{found['seconds']:.0f} s, {found['peak'] >> 20} MB, disk {found['disk'] >> 20} MB",
        f"grown by {found['grown'] >> 20} MB since half of the tiles",
        None,
        "flat memory, progress reaches 1.0",
        flat and found["progress"] == 1.0,
    )


def container_rows(yard: Yard) -> list[Row]:
    """A container is paged, read and planned; nothing is converted."""
    fill(yard.blobs, yard.sizes.blobs)
    job = ProcessContainer(container_name="bronze-wide", collection="wide")
    ctx = Context(blobs=yard.blobs)
    began = time.perf_counter()
    pages = [job.read(ctx, page) for page in job.list_pages(ctx)]
    planned = job.rasters(pages)
    took = time.perf_counter() - began
    return [
        Row(
            f"{len(planned):,} blobs listed and planned", f"{took:.1f} s", "", None,
            f"< {LISTED:.0f} s", took < LISTED and len(planned) == yard.sizes.blobs,
        )
    ]  # fmt: skip


def fill(blobs: AzureBlobs, count: int) -> None:
    refs = [BlobRef(f"bronze/wide/{n % 10}/{n:05d}.tif") for n in range(count)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda ref: blobs.write(ref, b"II*\0"), refs))


PARTS: dict[str, Callable[[Yard], list[Row]]] = {
    "convert": convert_rows,
    "giants": giant_rows,
    "container": container_rows,
    "catalog": lambda yard: catalog_rows(yard.sizes.items),
}


def main(arguments: list[str] | None = None) -> int:
    """0 when everything that was measured holds."""
    asked = parser().parse_args(arguments)
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    sizes = QUICK if asked.quick else FULL
    if asked.rounds:
        sizes = replace(sizes, rounds=asked.rounds)
    if asked.raster:
        named = tuple(each for each in sizes.rasters if asked.raster in each.name)
        sizes = replace(sizes, rasters=named)
    report = measure(asked.only, sizes)
    print("\n" + report.text())
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    asked.json.write_text(report.json())
    return 0 if report.holds else 1


def measure(parts: list[str], sizes: Sizes) -> Report:
    notes: list[str] = []
    rows: list[Row] = []
    with yard(sizes, notes) as made:
        for part in parts:
            if (others := wait_for_quiet(sizes.quiet_wait)) > BUSY:
                notes.append(f"Others used {others:.1f} cores when {part!r} began to be measured.")
            print(f"measuring: {part}", file=sys.stderr, flush=True)
            rows += PARTS[part](made)
    return Report(Machine.here("(for the catalog alone)"), rows, notes, "make bench-raster")


@contextmanager
def yard(sizes: Sizes, notes: list[str]) -> Iterator[Yard]:
    folder = Path(tempfile.mkdtemp(prefix=f"coremachine-bench-{uuid4().hex[:6]}-"))
    azurite = Azurite(folder / "azurite")
    try:
        azurite.start()
        made = Yard(azurite.connection_string, folder, sizes, notes)
        try:
            yield made
        finally:
            made.blobs.close()
    finally:
        azurite.stop()
        shutil.rmtree(folder, ignore_errors=True)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks.raster", description=__doc__)
    made.add_argument("--quick", action="store_true", help="small rasters, about a minute")
    made.add_argument("--rounds", type=int, help="how often each conversion is repeated")
    made.add_argument("--raster", help="convert only those whose name holds this, as `DEM`")
    made.add_argument(
        "--only", type=parts_of, default=list(PARTS), help=f"some of: {', '.join(PARTS)}"
    )
    made.add_argument("--json", type=Path, default=SAVED, help=f"save the table as JSON ({SAVED})")
    return made


def parts_of(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in PARTS:
            raise argparse.ArgumentTypeError(f"no part {name!r}; there are: {', '.join(PARTS)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
