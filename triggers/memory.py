"""Keep the memory of a long-lived process flat."""

import ctypes
import sys

M_ARENA_MAX = -8
ARENAS = 2


def few_arenas() -> None:
    """glibc gives each thread a heap of its own and returns little of it: with threads that come and go, as GDAL's
    do, a process grows by half. Two heaps are as fast here."""
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_ARENA_MAX, ARENAS)
