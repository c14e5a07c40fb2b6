"""What happens to a task's machine rather than to its work, told as what it is."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from core.errors import CoreMachineError, OutOfMemory, ScratchFull

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def understood(error: BaseException) -> BaseException:
    """The error, or what it means: memory that ran out, a disk that is full."""
    if isinstance(error, CoreMachineError):
        return error
    for each in _chain(error):
        if isinstance(each, MemoryError):
            return _instead(
                OutOfMemory(f"No memory was left ({str(each) or 'as Python says'})"), error
            )
        if isinstance(each, OSError) and each.errno in FULL:
            return _instead(
                ScratchFull(
                    "The disk for temporary files is full; make room, or give workers a larger CM_SCRATCH"
                ),
                error,
            )
    return error


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and those it came from; libraries wrap the one that tells."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _instead(told: CoreMachineError, error: BaseException) -> CoreMachineError:
    told.__cause__ = error
    return told
