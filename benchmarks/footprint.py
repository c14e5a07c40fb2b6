"""How much memory a worker takes, and how long the Functions host needs to import the app."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from statistics import median

from benchmarks.plan import Sizes
from benchmarks.rig import ROOT, Rig
from benchmarks.table import Row

MEMORY, GROWTH, IMPORT = 250, 10, 2.0
APP = "import function_app"
SDK = "import azure.functions"
FIRST_USE = "import function_app, jobs; from core.registry import discover; discover(jobs)"


class Sampler:
    """Looks at the resident size of a process while something happens."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.largest = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(0.1):
            self.largest = max(self.largest, resident(self.pid))


def resident(pid: int) -> float:
    """MB that the process holds in memory."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    line = next(line for line in status if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def memory_rows(rig: Rig, sizes: Sizes) -> list[Row]:
    """One worker alone does all tasks; the first tenth of them warms it."""
    pid = rig.worker()
    idle = resident(pid)
    rig.seconds(sizes.memory_tasks // 10)
    start = resident(pid)
    with Sampler(pid) as sampler:
        rig.seconds(sizes.memory_tasks)
    end = resident(pid)
    largest = max(sampler.largest, end)
    tasks = f"{sizes.memory_tasks:,} light tasks"
    return [
        Row(
            f"memory of a worker over {tasks}, largest",
            f"{largest:.0f} MB",
            f"idle {idle:.0f} MB",
            largest / idle,
            f"< {MEMORY} MB",
            largest < MEMORY,
        ),
        Row(
            f"growth of a worker over {tasks}",
            f"{end - start:+.1f} MB",
            f"{start:.0f} MB after the first tenth",
            end / start,
            f"flat: <= {GROWTH} MB",
            end - start <= GROWTH,
        ),
    ]


def import_rows(sizes: Sizes, notes: list[str]) -> list[Row]:
    """Fresh processes, taken in turns, so that a busy moment hits all of them alike."""
    times: dict[str, list[float]] = {APP: [], SDK: [], FIRST_USE: []}
    for _ in range(sizes.imports):
        for code, taken in times.items():
            taken.append(import_seconds(code))
    app, sdk, first = (median(taken) for taken in times.values())
    beside = f"azure.functions alone {sdk:.2f} s"
    notes.append(f"Import of function_app, largest packages: {breakdown()}.")
    return [
        Row(
            "cold import of the Functions host", f"{app:.2f} s", beside, app / sdk,
            f"< {IMPORT:.0f} s", app < IMPORT,
        ),
        Row(
            "the same with every job module, as at first use", f"{first:.2f} s", beside, first / sdk
        ),
    ]  # fmt: skip


def import_seconds(code: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    return time.perf_counter() - began


def breakdown(count: int = 8) -> str:
    """Own import time by package, as Python itself tells it."""
    command = [sys.executable, "-X", "importtime", "-c", APP]
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stderr
    own: Counter[str] = Counter()
    for line in told.splitlines():
        micros, _, name = (
            line.removeprefix("import time:").replace("|", " ", 1).rpartition("|")[0:3]
        )
        first = micros.split()
        if first and first[0].isdigit():
            own[package(name.strip())] += int(first[0])
    return ", ".join(f"{name} {micros / 1000:.0f} ms" for name, micros in own.most_common(count))


def package(module: str) -> str:
    """azure.functions.decorators is of azure.functions, json.decoder of json."""
    parts = module.split(".")
    return (
        ".".join(parts[: 3 if module.startswith("azure.storage") else 2])
        if parts[0] == "azure"
        else parts[0]
    )
