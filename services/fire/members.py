"""The members of a forecast's ensemble: several to a task, each a function of its seed and number alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

from core.blobs import BlobRef, Blobs, Zone
from core.context import Context
from services.fire import checks, ensemble, scene, tally
from services.fire.checks import Finding
from services.fire.scene import Scene
from services.fire.site import Frozen
from services.fire.spread import Spread
from services.fire.tally import Forecast, Tally
from services.fire.work import CONTAINER

AT_ONCE = 2
"""Members that a task lets run side by side: they work outside of Python's lock."""
TASKS = 4
"""Tasks that share the members: starting one costs about as much as a member."""


class Batch(Frozen):
    """Members that one task lets run, from `first` up to, not including, `end`."""

    scene: BlobRef
    digest: str
    first: int
    end: int


class Ran(Frozen):
    """What they did: a blob for each."""

    fires: list[BlobRef]


class Added(NamedTuple):
    """All members together, and the undisturbed one by itself."""

    forecast: Forecast
    plain: Spread
    findings: list[Finding]


def batches(where: Scene, members: int) -> list[Batch]:
    count = min(TASKS, members)
    bounds = [members * n // count for n in range(count + 1)]
    return [
        Batch(scene=where.data, digest=where.digest, first=first, end=end)
        for first, end in pairwise(bounds)
    ]


def run(ctx: Context, batch: Batch, until: float, seed: int) -> Ran:
    """Equal bytes for equal members, so that a second attempt, or a late one, changes nothing."""
    land, weather, ignition = scene.load(ctx.blobs, batch.scene)
    folder = f"{batch.digest}/{seed}-{until:.0f}"

    def burn(number: int) -> BlobRef:
        fire = ensemble.run(land, weather, ignition, until, seed=seed, number=number)
        ref = BlobRef.of(Zone.SILVER, CONTAINER, f"{folder}/{number:03}.npz")
        ctx.blobs.write(ref, tally.pack(fire))
        return ref

    fires: list[BlobRef] = []
    with ThreadPoolExecutor(AT_ONCE, "member") as threads:
        # A loop over map that is left early cancels what has not begun.
        for ref in threads.map(burn, range(batch.first, batch.end)):
            fires.append(ref)
            ctx.report(len(fires) / (batch.end - batch.first), f"spreading: {len(fires)} members")
            ctx.check()
    return Ran(fires=fires)


def add_up(blobs: Blobs, where: Scene, ran: Iterable[Ran], horizons: Sequence[float]) -> Added:
    land, weather, ignition = scene.load(blobs, where.data)
    refs = [ref for each in ran for ref in each.fires]
    sums = Tally.of(land.shape, horizons, most=len(refs))
    plain: Spread | None = None
    for ref in refs:
        fire = tally.unpack(blobs.read(ref))
        plain = plain or fire
        sums.add(fire)
    assert plain is not None
    found = checks.findings(plain, horizons, land, weather, ignition)
    return Added(sums.forecast(), plain, found)
