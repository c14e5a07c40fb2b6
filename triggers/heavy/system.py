"""What the operating system offers to processes that run strangers' code: limits, and death with the parent."""

from __future__ import annotations

import ctypes
import os
import re
import resource
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

SET_DEATH_SIGNAL, SET_SUBREAPER = 1, 36
SHARE = 0.75
"""Of a machine's memory, what heavy tasks may use together."""
PRIVATE = re.compile(r"^(?:RssAnon|RssShmem|VmSwap):\s+(\d+) kB", re.MULTILINE)
LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
EVENTS = Path("/sys/fs/cgroup/memory.events")
ROOM = 512 << 20


def die_with(parent: int) -> None:
    """Be killed when the parent dies, however it does, and whatever this process is busy with."""
    _prctl(SET_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def adopt_orphans() -> None:
    """Become the parent of what dying processes leave behind."""
    _prctl(SET_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def be_the_first_to_go() -> None:
    """When the system runs out of memory, it should take this process and not the worker."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def limit(memory: int) -> None:
    """No core dumps; and an allocation that could never fit fails at once, as MemoryError."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (2 * memory + ROOM, resource.RLIM_INFINITY))


def memory_of(pid: int) -> int:
    """Bytes that the process and its descendants hold and that cannot simply be dropped."""
    return sum(_private(each) for each in _family(pid))


def _private(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return sum(int(found) for found in PRIVATE.findall(status)) << 10


def _family(pid: int) -> list[int]:
    found, left = [pid], [pid]
    while left:
        children = _children(left.pop())
        found += children
        left += children
    return found


def _children(pid: int) -> list[int]:
    try:
        files = [each / "children" for each in Path(f"/proc/{pid}/task").iterdir()]
        return [int(child) for file in files for child in file.read_text().split()]
    except OSError:
        return []


def memory_of_machine() -> int:
    """What this machine, or this container, has."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *(bytes_ for file in LIMITS if (bytes_ := _number(file)))])


def _number(file: Path) -> int:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # "max", or another system
        return 0


def oom_kills() -> int:
    """How many processes of this container the system has killed for want of memory."""
    try:
        found = re.search(r"^oom_kill (\d+)", EVENTS.read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0


def wait_for(done: Callable[[], bool], seconds: float) -> None:
    """Until it is so, or the time is over."""
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.01)


def death(code: int | None) -> str:
    """How a process ended, in words."""
    if code is None:
        return "ended, and nobody knows how"
    if code >= 0:
        return f"ended by itself with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "unknown"
    return f"was killed by signal {-code} ({name})"
