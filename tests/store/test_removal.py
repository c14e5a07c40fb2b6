"""Deleting a job: with everything its runs made, nothing of anybody else's, and from wherever a crash left it."""

import pytest

from core.blobs import BlobRef, staged_name
from core.control.steering import Census
from core.errors import JobDeleting, JobNotFound, JobStillRunning
from core.tasks import Payload, TaskKey
from core.upkeep import removal
from core.upkeep.removal import Removal
from core.watching.task_logs import Written
from core.watching.whereabouts import Line as LoggedLine
from infrastructure.task_logs import PostgresTaskLogs
from tests.store.desk import Desk
from tests.store.sample_jobs import Bulky, Line, Wide

BY = "ada"
INPUT = BlobRef("bronze/rasters/dem.tif")


def published(desk: Desk, claim, name: str) -> BlobRef:
    """What a task does with its output."""
    ref = BlobRef(f"silver/cogs/{name}")
    staged = desk.blobs.staged(ref, f"{claim.key}-{claim.attempt}")
    desk.blobs.write(staged, name.encode())
    desk.blobs.promote(staged, ref)
    return ref


def lived(desk: Desk, label: str = ""):
    """A job with two runs, whose tasks published, left something half done, and named what is not theirs."""
    desk.blobs.write(INPUT, b"raw")
    run = desk.submit(Wide(n=3, label=label))
    desk.plan()
    one, two, three = desk.claim()
    desk.complete(one, value={"cog": published(desk, one, f"{label}a.tif"), "source": INPUT})
    half = staged_name(BlobRef(f"silver/cogs/{label}b.tif"), f"{two.key}-{two.attempt}")
    desk.blobs.write(half, b"half")
    desk.store.keep_checkpoint(two, "warp", Payload(b'"warped"'))
    desk.fail(two)
    desk.complete(three)
    new = desk.control.resubmit(run.job_id, by=BY).run
    desk.work()
    return new, [BlobRef(f"silver/cogs/{label}a.tif"), half]


def names(desk: Desk) -> set[str]:
    return {str(ref) for ref in desk.blobs._blobs}


def test_a_deletion_takes_everything_its_runs_made_and_nothing_else(desk):
    other, _ = lived(desk, "other ")
    before, kept = names(desk), desk.events(other.job_id)
    run, made = lived(desk)
    removed = Removal(desk.machine).delete(run.job_id, by=BY)
    assert removed.gone
    assert sorted(removed.names) == sorted(made)
    assert names(desk) == before
    assert desk.events(run.job_id) == []
    assert desk.runs(run.job_id) == []
    assert desk.store.census(run.job_id) == Census()
    assert desk.events(other.job_id) == kept
    with pytest.raises(JobNotFound):
        desk.control.cancel(run.job_id, by=BY)


def test_a_dry_run_tells_exactly_what_would_go(desk):
    run, made = lived(desk)
    before = names(desk)
    preview = Removal(desk.machine).preview(run.job_id)
    assert (preview.census.runs, preview.census.tasks, preview.census.checkpoints) == (2, 8, 2)
    assert preview.census.events == len(desk.events(run.job_id))
    assert names(desk) == before
    assert not preview.gone
    removed = Removal(desk.machine).delete(run.job_id, by=BY)
    assert (removed.census, removed.blobs, removed.bytes) == (
        preview.census,
        preview.blobs,
        preview.bytes,
    )
    assert sorted(removed.names) == sorted(preview.names) == sorted(made)


def test_what_was_too_large_for_its_row_goes_too(desk):
    run = desk.submit(Bulky(text="x" * 70_000))
    desk.work()
    assert len(names(desk)) == 2
    removed = Removal(desk.machine).delete(run.job_id, by=BY)
    assert (removed.blobs, removed.gone, names(desk)) == (2, True, set())


def test_what_its_tasks_logged_goes_with_the_job(postgres_desk):
    desk = postgres_desk
    run = desk.submit(Line())
    key = desk.one().key
    desk.work()
    logs = PostgresTaskLogs(desk.pool)
    logs.write(
        [Written(k, 1, 1, 1, [LoggedLine(0.0, 20, "x", "y")]) for k in (key, TaskKey(0, 0, 0))]
    )
    desk.control.cancel(run.job_id, by=BY)
    Removal(desk.machine).delete(run.job_id, by=BY)
    assert logs.read(run.run, None, 0, 0, 9) == []
    assert len(logs.read(0, None, 0, 0, 9)) == 1


def test_a_blob_that_was_replaced_by_somebody_else_stays(desk):
    run, (cog, _) = lived(desk)
    desk.blobs.write(cog, b"another one's")
    Removal(desk.machine).delete(run.job_id, by=BY)
    assert str(cog) in names(desk)


def test_a_blob_that_bears_the_jobs_id_is_the_jobs(desk):
    run = desk.submit(Line())
    listing = BlobRef(f"silver/coremachine/listings/{run.job_id}/1.jsonl")
    desk.blobs.write(listing, b"{}")
    desk.complete(desk.one(), value=listing)
    desk.work()
    Removal(desk.machine).delete(run.job_id, by=BY)
    assert str(listing) not in names(desk)


def test_a_running_job_is_not_deleted_and_not_even_previewed(desk):
    run = desk.submit(Line())
    for look in (
        Removal(desk.machine).preview,
        lambda job: Removal(desk.machine).delete(job, by=BY),
    ):
        with pytest.raises(JobStillRunning, match="cancel it first"):
            look(run.job_id)
    desk.work()
    assert desk.status(run.run) == "completed"


def test_nothing_can_be_done_to_a_job_that_is_being_deleted(desk):
    run, _ = lived(desk)
    with desk.store.job_turn(run.job_id) as job:
        job.mark_deleting("test", outputs=True)
    for act in (
        lambda: desk.submit(Wide(n=3)),
        lambda: desk.submit(Wide(n=3), force=True),
        lambda: desk.control.resubmit(run.job_id, by=BY, force=True),
        lambda: desk.control.replay(run.job_id, "echo", by=BY),
        lambda: desk.control.cancel(run.job_id, by=BY),
    ):
        with pytest.raises(JobDeleting, match="being deleted"):
            act()


def test_a_job_that_was_deleted_can_be_submitted_anew(desk):
    run, _ = lived(desk)
    Removal(desk.machine).delete(run.job_id, by=BY)
    again = desk.submit(Wide(n=3))
    desk.work()
    assert (again.number, desk.status(again.run)) == (1, "completed")
    assert desk.whats(again.job_id)[0] == "job_submitted"


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 8])
def test_a_deletion_that_died_anywhere_is_finished_by_the_reconciler(desk, chunk, monkeypatch):
    """Fault 41: marked first, so that whoever comes by goes on."""
    run, _ = lived(desk)
    steps = 0

    def dies(_: str) -> None:
        nonlocal steps
        steps += 1
        if steps == chunk:
            raise KeyboardInterrupt

    monkeypatch.setattr(removal, "PAGE", 2)
    monkeypatch.setattr(removal, "EVENTS", 3)
    monkeypatch.setattr(removal, "crashpoint", dies)
    with pytest.raises(KeyboardInterrupt):
        Removal(desk.machine).delete(run.job_id, by=BY)
    assert Removal(desk.machine).repair() == 1
    assert Removal(desk.machine).repair() == 0
    assert desk.runs(run.job_id) == []
    assert names(desk) == {str(INPUT)}


def test_what_takes_too_long_is_left_to_the_reconciler(desk, monkeypatch):
    run, _ = lived(desk)
    monkeypatch.setattr(removal, "SECONDS", 0)
    removed = Removal(desk.machine).delete(run.job_id, by=BY)
    assert not removed.gone
    assert Removal(desk.machine).repair() == 1


def test_an_attempt_that_outlives_its_job_writes_nothing(desk):
    """R37: the last attempt of a cancelled job comes back after everything is gone."""
    run = desk.submit(Line())
    claim = desk.one()
    desk.control.cancel(run.job_id, by=BY)
    Removal(desk.machine).delete(run.job_id, by=BY)
    desk.complete(claim)
    desk.fail(claim)
    desk.store.keep_checkpoint(claim, "warp", Payload(b"1"))
    assert not desk.store.renew(claim, desk.session, 0.5, "")
    assert desk.store.census(run.job_id) == Census()
