"""How large the measurements of a run are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """The full run is what the numbers of the documentation come from; the quick one shows that all works."""

    stages: tuple[int, ...] = (1_000, 10_000, 100_000)
    judged: int = 10_000
    single_jobs: int = 100
    repeats: int = 2
    quiet_wait: int = 5
    small_jobs: int = 80
    killed_closers: int = 6
    crashes: int = 4
    submissions: int = 300
    memory_tasks: int = 100_000
    imports: int = 5
    heavy_tasks: int = 300


QUICK = Sizes(
    stages=(1_000, 10_000, 30_000),
    single_jobs=20,
    repeats=1,
    quiet_wait=2,
    small_jobs=20,
    killed_closers=1,
    crashes=1,
    submissions=60,
    memory_tasks=20_000,
    imports=3,
    heavy_tasks=100,
)
