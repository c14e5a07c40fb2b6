"""How the scenes of interleavings begin, and what workers do in them."""

from types import SimpleNamespace
from typing import Any

from core import JobBase
from core.tasks import Failed
from tests.store.desk import BROKEN, PostgresDesk
from tests.support.interleave import Trace

CLOSING = ("stages/is_done", "stages/lock_stage")
FAILED = Failed(BROKEN)


def at(**facts: Any) -> SimpleNamespace:
    return SimpleNamespace(**facts)


def planned(desk: PostgresDesk, job: JobBase, claimed: int = 1000) -> SimpleNamespace:
    """The job with its first stage planned, and so many of its tasks claimed by one session."""
    run = desk.submit(job)
    desk.plan()
    claims = desk.claim(limit=claimed)
    return at(job=job, run=run.run, job_id=run.job_id, claims=claims, session=desk.session)


def ends(n: int, ending: Any):
    """Settles the n-th claim and closes, as a worker does."""

    def act(desk: PostgresDesk, at: SimpleNamespace) -> bool:
        claim = at.claims[n]
        desk.settle(ending, claim, session=at.session)
        if isinstance(ending, Failed):
            desk.machine.stage_failed(desk.store.run(at.run), claim.key.stage)
        return desk.machine.close(at.run, claim.key.stage, frozenset({claim.key.idx}))

    return act


def settles(n: int, ending: Any):
    return lambda desk, at: desk.settle(ending, at.claims[n], session=at.session)


def closes(stage: int):
    return lambda desk, at: desk.machine.close(at.run, stage)


def nobody_failed(trace: Trace) -> None:
    assert trace.errors == {}
