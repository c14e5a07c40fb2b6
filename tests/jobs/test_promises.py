"""What the machine promises to authors of jobs, seen from a whole job."""

import pytest

from core import BlobRef, Context, JobBase, Retry, fan_in, fan_out, single
from core.errors import JobDefinitionError
from core.memory.blobs import MemoryBlobs
from core.stages import minutes
from core.states import JobStatus
from core.testing import run_job

AT_ONCE = Retry(attempts=3, delay=minutes(0))
WARPED = BlobRef("silver/work/warped.tif")
seen: list[str] = []


class Phased(JobBase):
    """Warp, lose the warped file if asked, fail once, then go on where it stopped."""

    lose: bool = False

    @single(retry=AT_ONCE)
    def work(self, ctx: Context) -> int:
        def warp() -> BlobRef:
            seen.append("warp")
            ctx.blobs.write(WARPED, b"warped")
            return WARPED

        warped = ctx.once("warp", warp)
        if ctx.attempt == 1:
            if self.lose:
                ctx.blobs.delete(warped)
            raise ConnectionError("the second phase has no luck")
        return len(ctx.blobs.read(warped))


class Flawed(JobBase):
    """All tasks succeed; the one that sums up does not."""

    def numbers(self) -> list[int]:
        return [1, 2, 3]

    @fan_out(each=numbers)
    def work(self, ctx: Context, n: int) -> int:
        return n * n

    @fan_in(work, retry=Retry(attempts=2, delay=minutes(0)))
    def sum_up(self, ctx: Context, squares: list[int]) -> int:
        raise ConnectionError("nobody to tell the sum to")


@pytest.mark.parametrize(("lose", "warps"), [(False, 1), (True, 2)])
def test_a_phase_is_run_again_only_when_what_it_made_is_gone(lose: bool, warps: int) -> None:
    """R38, R39: a checkpoint is believed as long as its artifact is there."""
    seen.clear()
    run = run_job(Phased(lose=lose), blobs=MemoryBlobs())
    assert run.result == len(b"warped")
    assert seen == ["warp"] * warps


def test_a_last_stage_that_fails_is_retried_alone_and_loses_no_result() -> None:
    """R19: what the fan-out made stays, and is not made again."""
    run = run_job(Flawed(), expect=JobStatus.FAILED)
    assert run.results("work") == [1, 4, 9]
    assert [task.attempts for task in run.tasks("work")] == [1, 1, 1]
    assert run.tasks("sum_up")[0].attempts == 2
    assert run.error is not None
    assert run.error["stage"] == "sum_up"


def test_a_stage_on_a_queue_that_nobody_serves_is_refused_at_import() -> None:
    """R44: such a job would be accepted and could never run."""
    with pytest.raises(JobDefinitionError, match="tasks-light"):

        class Nowhere(JobBase):
            @single(queue="long-running-tasks")  # type: ignore[arg-type]
            def work(self, ctx: Context) -> None: ...
