"""`python -m benchmarks.patch`: weather patches against a server that is as far away as the real ones, beside Herbie and cfgrib.

The server is `triggers.local.sources`, a process of its own, with 60 ms before every answer and 12.5 MB/s
per connection. Its file of 2022-10-14 06z f021 has the inventory of the real one, 552 MB long, where
`../shared` is beside the checkout. Herbie needs a Python of its own:

    uv venv .local/peers/herbie && uv pip install --python .local/peers/herbie/bin/python herbie-data==2026.10.0
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

from benchmarks.rig import ROOT
from benchmarks.table import Machine, Report, Row
from core.blobs import Blobs
from core.guard import UrlRules
from core.internet import Ask, Internet
from core.memory.blobs import MemoryBlobs
from infrastructure.blobs.azure import AzureBlobs
from infrastructure.fetching import Fetcher
from services.geo.gridspec import GridSpec
from services.weather import patch
from services.weather.cache import Cache
from services.weather.derive import Variable
from services.weather.models import GFS
from services.weather.patch import Desk, Patch
from services.weather.plan import Asked
from triggers.local import ports
from triggers.local.azurite import Azurite

LATENCY, SPEED = 60.0, 12.5
REAL = ROOT.parent / "shared" / "data" / "idx"
HERBIE = ROOT / ".local" / "peers" / "herbie" / "bin" / "python"
CYCLE, HOUR = datetime(2022, 10, 14, 6, tzinfo=UTC), 21
TEN = (
    Variable.T2M,
    Variable.D2M,
    Variable.RH2M,
    Variable.U10,
    Variable.V10,
    Variable.GUST,
    Variable.CLOUD_COVER,
    Variable.MSLP,
    Variable.BLH,
    Variable.VISIBILITY,
)
FIVE = (Variable.T2M, Variable.RH2M, Variable.U10, Variable.V10, Variable.PRECIPITATION)
SEARCH = (
    ":(?:TMP|DPT|RH):2 m above|:[UV]GRD:10 m above|:GUST:surface|:TCDC:entire atmosphere:21 hour fcst"
    "|:PRMSL:|:HPBL:surface|:VIS:surface"
)
PLACE = (-105.3, 40.0)


@dataclass(frozen=True)
class Far:
    """The server, and a reader for it."""

    url: str
    reader: Fetcher

    def desk(self, blobs: Blobs) -> Desk:
        return Desk(blobs, Internet(self.reader, self.url))


def main(arguments: list[str] | None = None) -> int:
    """0 when everything that was measured holds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.patch", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cold", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--server", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.cold:
        return _cold(asked.server)
    with far() as server:
        warm_up(server)
        rows = [*one_step(server, asked.rounds), *a_day(server), *again(server)]
    report = Report(Machine.here("none"), rows, [], "python -m benchmarks.patch")
    print(report.text())
    return 0 if report.holds else 1


@contextmanager
def far() -> Iterator[Far]:
    port = ports.free()
    words = ["-m", "triggers.local.sources", "--port", str(port), "--latency", str(LATENCY)]
    words += ["--speed", str(SPEED), *(["--real", str(REAL)] if REAL.is_dir() else [])]
    server = subprocess.Popen([sys.executable, *words], cwd=ROOT)
    reader = Fetcher(UrlRules(plain_http=True, networks=(ip_network("127.0.0.0/8"),)), quiet=120)
    try:
        while ports.status_of(port) is None:
            time.sleep(0.1)
        yield Far(f"http://{ports.LOOPBACK}:{port}", reader)
    finally:
        reader.close()
        server.terminate()
        server.wait(10)


def here(east: float = 0.0) -> GridSpec:
    return GridSpec.around(PLACE[0] + east, PLACE[1], 5_000, 0.01)


def ten() -> Asked:
    start = CYCLE + timedelta(hours=HOUR)
    return Asked(model="gfs", start=start, hours=0, variables=TEN, cycle=CYCLE)


def day() -> Asked:
    start = CYCLE + timedelta(days=1, hours=1)
    return Asked(
        model="gfs", start=start, hours=23, variables=FIVE, cycle=CYCLE + timedelta(days=1)
    )


def timed(work: Callable[[], Patch]) -> tuple[float, Patch]:
    began = time.perf_counter()
    found = work()
    return time.perf_counter() - began, found


def make(server: Far, asked: Asked, spec: GridSpec, blobs: Blobs) -> tuple[float, Patch]:
    return timed(lambda: patch.make(server.desk(blobs), asked, spec, datetime.now(UTC)))


def warm_up(server: Far) -> None:
    """The server makes its messages now, not while it is measured."""
    for asked in (ten(), day()):
        make(server, asked, here(), MemoryBlobs())


def one_step(server: Far, rounds: int) -> list[Row]:
    """Ours and the peers in turn, each from an empty cache."""
    colds = [(cold(server), herbie(server, 2)) for _ in range(max(1, rounds // 2))]
    runs = [make(server, ten(), here(), MemoryBlobs()) for _ in range(rounds)]
    wanted, largest = sizes(server)
    limit, other = bare(server, largest), cfgrib(server)
    warm = statistics.median(seconds for seconds, _ in runs)
    fetched = runs[-1][1].bytes - len(index(server))
    return [
        Row(
            "10 variables, bytes of messages",
            f"{fetched:,}",
            f"{wanted:,}",
            fetched / wanted,
            "<= 1.02",
            fetched <= 1.02 * wanted,
        ),
        Row(
            "10 variables, warm",
            f"{warm:.3f} s",
            f"limit {limit:.3f} s",
            warm / limit,
            "<= 2",
            warm <= 2 * limit,
        ),
        *beside_herbie(warm, colds),
        Row(
            "10 variables, warm", f"{warm:.3f} s", f"same bytes, cfgrib {other:.2f} s", other / warm
        ),
    ]


def beside_herbie(warm: float, colds: Sequence[tuple[float, Sequence[float]]]) -> list[Row]:
    """Its first run of a process is cold, its second warm."""
    ours = statistics.median(each for each, _ in colds)
    theirs = [peer for _, peer in colds if len(peer) > 1]
    if not theirs:
        return [Row("10 variables, cold", f"{ours:.3f} s", "Herbie is not installed")]
    first, second = (statistics.median(peer[n] for peer in theirs) for n in (0, 1))
    return [
        Row(
            "10 variables, cold",
            f"{ours:.3f} s",
            f"Herbie {first:.2f} s",
            first / ours,
            ">= 5",
            first >= 5 * ours,
        ),
        Row(
            "10 variables, warm",
            f"{warm:.3f} s",
            f"Herbie {second:.2f} s",
            second / warm,
            ">= 4",
            second >= 4 * warm,
        ),
    ]


def a_day(server: Far) -> list[Row]:
    found = [make(server, day(), here(), MemoryBlobs()) for _ in range(3)]
    seconds = statistics.median(each[0] for each in found)
    size = found[0][1].bytes
    return [
        Row(
            "24 hours x 5 variables",
            f"{seconds:.2f} s",
            f"{size / 1e6:.0f} MB",
            None,
            "< 2 s",
            seconds < 2,
        )
    ]


def again(server: Far) -> list[Row]:
    """The second click nearby, its cache in memory and in Azurite."""
    rows = [_again(server, MemoryBlobs(), "memory")]
    with tempfile.TemporaryDirectory() as folder, Azurite(Path(folder), ports.free()) as azurite:
        rows.append(_again(server, AzureBlobs(azurite.connection_string), "Azurite"))
    return rows


def _again(server: Far, blobs: Blobs, where: str) -> Row:
    make(server, ten(), here(), blobs)
    clicks = [make(server, ten(), here(east=n / 50), blobs) for n in range(1, 8)]
    seconds = statistics.median(each[0] for each in clicks)
    read = sum(each[1].bytes for each in clicks)
    ok = seconds < 0.05 and read == 0
    return Row(
        "second click nearby",
        f"{seconds * 1e3:.0f} ms",
        f"cache in {where}, {read} bytes",
        None,
        "< 50 ms, 0 bytes",
        ok,
    )


def index(server: Far) -> bytes:
    url = GFS.sources[0].urls(CYCLE, HOUR, {})[1]
    return Internet(server.reader, server.url).read(Ask(url)).body


def sizes(server: Far) -> tuple[int, int]:
    """The bytes of the ten messages, and of the largest."""
    blobs = MemoryBlobs()
    make(server, ten(), here(), blobs)
    folder = Cache(blobs, "gfs", CYCLE, HOUR).ref("x").path.removesuffix("x")
    found = blobs.list(
        zone := Cache(blobs, "gfs", CYCLE, HOUR).ref("x").zone, "weather-cache", folder
    ).blobs
    assert zone
    each = [blob.size for blob in found if blob.ref.endswith(".grib2")]
    assert len(each) == len(TEN), each
    return sum(each), max(each)


def bare(server: Far, largest: int) -> float:
    """The limit: an inventory, then the largest message, nothing decoded."""
    net = Internet(server.reader, server.url)
    grib, inventory = GFS.sources[0].urls(CYCLE, HOUR, {})
    took: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        net.read(Ask(inventory))
        net.read(Ask(grib, 433717880, largest))
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def cold(server: Far) -> float:
    """The first patch of a process, after its imports."""
    words = [sys.executable, "-m", "benchmarks.patch", "--cold", "--server", server.url]
    return float(subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


def _cold(url: str) -> int:
    reader = Fetcher(UrlRules(plain_http=True, networks=(ip_network("127.0.0.0/8"),)), quiet=120)
    seconds, _ = make(Far(url, reader), ten(), here(), MemoryBlobs())
    reader.close()
    print(seconds)
    return 0


def herbie(server: Far, rounds: int) -> Sequence[float]:
    """Its first run in a process, and those after."""
    if not HERBIE.exists():
        return []
    with tempfile.TemporaryDirectory() as home:
        script = str(ROOT / "benchmarks" / "patch_herbie.py")
        words = [
            str(HERBIE),
            "-W",
            "ignore",
            script,
            server.url,
            f"{CYCLE:%Y-%m-%d %H:00}",
            str(HOUR),
            SEARCH,
            str(rounds),
        ]
        run = subprocess.run(
            ["/usr/bin/env", f"HOME={home}", *words], check=True, capture_output=True, text=True
        )
    told = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    assert all(each["variables"] >= len(TEN) for each in told), told
    return [each["seconds"] for each in told]


def cfgrib(server: Far) -> float:
    """The same messages, fetched as we do, then read by cfgrib."""
    words = [sys.executable, "-W", "ignore", "-c", CFGRIB, server.url]
    run = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True)
    return float(run.stdout.splitlines()[-1])


CFGRIB = """
import sys, tempfile, time
from pathlib import Path
from benchmarks import patch as bench
from core.memory.blobs import MemoryBlobs
from services.weather.cache import Cache
import cfgrib
from ipaddress import ip_network
reader = bench.Fetcher(bench.UrlRules(plain_http=True, networks=(ip_network("127.0.0.0/8"),)))
server = bench.Far(sys.argv[1], reader)
for _ in range(2):
    blobs = MemoryBlobs()
    fetched, _patch = bench.make(server, bench.ten(), bench.here(), blobs)
    ref = Cache(blobs, "gfs", bench.CYCLE, bench.HOUR).ref("x")
    found = [b.ref for b in blobs.list(ref.zone, ref.container, ref.path[:-1]).blobs if b.ref.endswith("grib2")]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "messages.grib2")
        file.write_bytes(b"".join(blobs.read(each) for each in found))
        began = time.perf_counter()
        sets = cfgrib.open_datasets(str(file), backend_kwargs={"indexpath": ""})
        for each in sets:
            each.sel(latitude=slice(40.3, 39.7), longitude=slice(254.4, 255.0)).load()
        seconds = fetched + time.perf_counter() - began
reader.close()
print(seconds)
"""

if __name__ == "__main__":
    sys.exit(main())
