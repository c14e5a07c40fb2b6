"""Keep the memory of a long-lived process flat."""

import ctypes
import re
import resource
import sys
from pathlib import Path

M_ARENA_MAX = -8
ARENAS = 2
STATUS = Path("/proc/self/status")


def few_arenas() -> None:
    """glibc gives each thread a heap of its own and returns little of it: with threads that come and go, as GDAL's
    do, a process grows by half. Two heaps are as fast here."""
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_ARENA_MAX, ARENAS)


def peak() -> int:
    """The most bytes of memory that this process has held.

    Not getrusage where it can be helped: a child begins with the peak of the process that started it.
    """
    if STATUS.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text())):
        return int(found[1]) << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
