"""The members that one task lets run, two at a time."""

import numpy as np
import pytest

from core.blobs import BlobRef, Zone
from core.context import Context
from core.errors import Cancelled
from core.memory.blobs import MemoryBlobs
from services.fire import ensemble, members, tally
from services.fire.landscape import Ignition, Landscape, Weather
from services.fire.members import Batch
from services.fire.rothermel import Moisture, Wind
from services.fire.work import CONTAINER
from services.storage import arrays

SCENE = BlobRef.of(Zone.SILVER, CONTAINER, "a/scene.npz")
UNTIL = 60.0
LAND = Landscape.of(30.0, np.full((41, 41), 102))
AIR = Weather.of(Wind(np.full(2, 4.0), np.full(2, 0.0)), Moisture(0.06, 0.07, 0.08, 0.6, 0.9))
BEGAN = Ignition.at([(20, 20)])


@pytest.fixture
def blobs() -> MemoryBlobs:
    kept = MemoryBlobs()
    scene = {
        "cell": LAND.cell, "codes": LAND.codes, "east": LAND.rise_east, "north": LAND.rise_north,
        "wind": AIR.wind, "moisture": AIR.moisture,
        "rows": BEGAN.rows, "columns": BEGAN.columns, "minutes": BEGAN.minutes,
    }  # fmt: skip
    kept.write(SCENE, arrays.together(scene))
    return kept


def batch(first: int, end: int) -> Batch:
    return Batch(scene=SCENE, digest="a", first=first, end=end)


def test_members_that_run_side_by_side_are_those_that_run_alone(blobs: MemoryBlobs) -> None:
    said: list[tuple[float, str]] = []
    ctx = Context(blobs=blobs, reporter=lambda done, note: said.append((done, note)))
    ran = members.run(ctx, batch(3, 8), UNTIL, seed=5)
    assert [str(ref)[-7:] for ref in ran.fires] == [f"{n:03}.npz" for n in range(3, 8)]
    for number, ref in enumerate(ran.fires, 3):
        alone = ensemble.run(LAND, AIR, BEGAN, UNTIL, seed=5, number=number)
        assert blobs.read(ref) == tally.pack(alone)
    assert [done for done, _ in said] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


def test_a_task_that_is_to_stop_begins_no_more_members(blobs: MemoryBlobs) -> None:
    """Those that have begun end; the rest of nine hundred never begins."""

    def stop() -> None:
        raise Cancelled("somebody said so")

    with pytest.raises(Cancelled):
        members.run(Context(blobs=blobs, checker=stop), batch(0, 900), UNTIL, seed=5)
    written = [
        each for each in blobs.list(Zone.SILVER, CONTAINER).blobs if "scene" not in str(each)
    ]
    assert 1 <= len(written) < 450


def test_a_member_that_cannot_run_fails_the_task_with_its_reason(blobs: MemoryBlobs) -> None:
    with pytest.raises(Exception, match="the weather lasts"):
        members.run(Context(blobs=blobs), batch(0, 4), 1e9, seed=5)
