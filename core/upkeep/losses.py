"""What the loss of a worker means for a task that it held: another attempt, or the end."""

from __future__ import annotations

from dataclasses import replace

from core.memory.books import MemoryTask
from core.tasks import TaskError

DEAD = "its worker died"
OVERDUE = "it ran past its timeout"
STUCK = (
    "its worker died, and no checkpoint was kept between the last losses: "
    "it makes no progress. Cut it into shorter phases (ctx.once)"
)
LOST_OFTEN = 5
"""Attempts lost in company after which every further one counts."""
STALLED_OFTEN = 2
"""Losses in a row without a new checkpoint after which a task that keeps checkpoints fails."""


def lost(
    task: MemoryTask, why: str, *, sure: bool, kept: int, attempts: int
) -> tuple[MemoryTask, bool]:
    """The task after its loss, and whether it is tried again.

    One that kept a checkpoint before its worker died has come further, so that costs nothing.
    """
    dead = why is DEAD
    sure = sure or task.lost >= LOST_OFTEN
    further = dead and kept > task.mark
    stalled = 0 if further else task.stalled + (dead and sure)
    stuck = dead and kept > 0 and stalled >= STALLED_OFTEN
    failures = task.failures + (sure and not further)
    after = replace(
        task,
        failures=failures,
        lost=task.lost + (not sure),
        mark=kept,
        stalled=stalled,
        session=None,
        deadline=None,
        error=TaskError(
            "NoProgress" if stuck else "LeaseLost",
            f"attempt {task.attempt} did not end: {STUCK if stuck else why}",
            code="no_progress" if stuck else "lease_lost",
        ),
    )
    return after, failures < attempts and not stuck
