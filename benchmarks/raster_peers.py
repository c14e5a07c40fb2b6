"""The tools that rasters are converted with elsewhere: at their defaults, and told what ours is told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.rig import ROOT

RIO = Path(sys.executable).parent / "rio"
THREADS = {"GDAL_NUM_THREADS": "ALL_CPUS"}


@dataclass(frozen=True, slots=True)
class Took:
    """What one conversion needed and gave. Bytes, and seconds."""

    seconds: float
    peak: int
    size: int


def gdal_translate(source: Path, target: Path) -> Took:
    return run(["gdal_translate", "-q", "-of", "COG", str(source), str(target)], target)


def gdal_tuned(source: Path, target: Path, *, predictor: bool) -> Took:
    """With all processors, DEFLATE and the predictor that fits."""
    options = ["COMPRESS=DEFLATE", "NUM_THREADS=ALL_CPUS", "BIGTIFF=IF_SAFER"]
    options += ["PREDICTOR=YES"] if predictor else []
    told = [word for option in options for word in ("-co", option)]
    command = ["gdal_translate", "-q", "-of", "COG", *told, str(source), str(target)]
    return run(command, target, THREADS)


def rio_cogeo(source: Path, target: Path) -> Took:
    return run([str(RIO), "cogeo", "create", "-q", str(source), str(target)], target)


def has_gdal() -> bool:
    return shutil.which("gdal_translate") is not None


def run(command: Sequence[str], target: Path, more: Mapping[str, str] | None = None) -> Took:
    """From the start of the process to its end. Its peak is never told below that of the process it was started by."""
    began = time.perf_counter()
    child = subprocess.Popen(command, env={**os.environ, **(more or {})}, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{command[0]} ended with {child.returncode}")
    size = target.stat().st_size
    target.unlink()
    return Took(seconds, used.ru_maxrss << 10, size)


def ours(order: dict[str, Any]) -> dict[str, Any]:
    """What `benchmarks.raster_child` says of an order."""
    command = [sys.executable, "-m", "benchmarks.raster_child", json.dumps(order)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)
