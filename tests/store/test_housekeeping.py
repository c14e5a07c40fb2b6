"""What piles up is removed when nobody can ask for it any more, and nothing else; the database shows itself."""

import threading
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from core.audit import AuditFilter
from core.blobs import BlobRef, Blobs
from core.identity import Role
from core.keys import KeyRing, NewKey, Secret
from core.memory.blobs import MemoryBlobs
from core.ports import Limits
from core.tasks import TaskKey, Wakeup
from core.upkeep.housekeeper import Housekeeper
from core.upkeep.keeping import Keeping
from core.upkeep.letters import LetterNotFound, Letters, LetterUnreadable
from core.upkeep.removal import Removal
from core.watching.task_logs import Written
from core.watching.whereabouts import Line as LoggedLine
from infrastructure import migrations
from infrastructure.audit import PostgresAudit
from infrastructure.blobs.azure import AzureBlobs
from infrastructure.keys import PostgresKeys
from infrastructure.migrations import JobsRunning
from infrastructure.steward import PostgresSteward
from infrastructure.task_logs import PostgresTaskLogs
from tests.store.desk import PostgresDesk
from tests.store.sample_jobs import Line, Wide
from tests.support.waiting import eventually
from triggers.local.azurite import Azurite

NOW = Keeping(details=timedelta(0), audit=timedelta(0), blobs=timedelta(0))


@pytest.fixture
def steward(postgres_desk: PostgresDesk) -> PostgresSteward:
    return PostgresSteward(postgres_desk.pool)


def keeper(desk: PostgresDesk, blobs: Blobs, keeping: Keeping) -> Housekeeper:
    return Housekeeper(PostgresSteward(desk.pool), blobs, Removal(desk.machine), keeping)


def set_aside(desk: PostgresDesk, body: bytes) -> int:
    desk.store.quarantine("tasks-light", "m-1", body, "dead letter: gave up")
    return Letters(PostgresSteward(desk.pool)).page(None, 1)[0].id


# dead letters


def test_letters_come_newest_first_and_in_pages(
    postgres_desk: PostgresDesk, steward: PostgresSteward
) -> None:
    numbers = [set_aside(postgres_desk, b"\xffpoison %d" % n) for n in range(5)]
    letters = Letters(steward)
    first = letters.page(None, 2)
    second = letters.page(first[-1].id, 2)
    assert [each.id for each in first + second] == numbers[:0:-1]
    assert first[0].text == "\ufffdpoison 4"
    assert first[0].task_id is None


def test_a_letter_whose_task_is_still_due_is_sent_again(outbox_desk) -> None:
    """Fault 27, R20: the queue gave up on it, the task did not."""
    if not isinstance(outbox_desk, PostgresDesk):
        pytest.skip("dead letters are looked at in PostgreSQL alone")
    outbox_desk.submit(Line())
    with outbox_desk.take() as promised:
        (_, wakeup) = promised[0]
    number = set_aside(outbox_desk, wakeup.encode())
    letters = Letters(PostgresSteward(outbox_desk.pool))
    assert letters.get(number).task_id == str(wakeup.key)
    assert "is sent again" in letters.replay(number)
    outbox_desk.store.repair(Limits())
    with outbox_desk.take() as promised:
        assert [each for _, each in promised] == [wakeup]
    with pytest.raises(LetterNotFound):
        letters.get(number)


def test_a_letter_whose_task_has_gone_on_is_only_discarded(
    postgres_desk: PostgresDesk, steward: PostgresSteward
) -> None:
    run = postgres_desk.submit(Line())
    postgres_desk.work()
    number = set_aside(postgres_desk, Wakeup(TaskKey(run.run, 0, 0), 0).encode())
    assert "does not wait" in Letters(steward).replay(number)
    assert steward.letters(None, 10) == []


def test_a_letter_that_says_nothing_stays_until_somebody_discards_it(
    postgres_desk: PostgresDesk, steward: PostgresSteward
) -> None:
    """Fault 29."""
    number, letters = set_aside(postgres_desk, b"{}"), Letters(steward)
    with pytest.raises(LetterUnreadable, match="Discard it"):
        letters.replay(number)
    letters.discard(number)
    with pytest.raises(LetterNotFound):
        letters.discard(number)


def test_letters_are_kept_for_as_long_as_was_said(
    postgres_desk: PostgresDesk, steward: PostgresSteward
) -> None:
    set_aside(postgres_desk, b"old")
    blobs = MemoryBlobs()
    assert keeper(postgres_desk, blobs, Keeping()).round().records["dead letters"] == 0
    due = keeper(postgres_desk, blobs, NOW)
    assert due.preview().records["dead letters"] == 1
    assert due.round().records["dead letters"] == 1
    assert due.round().records["dead letters"] == 0


def test_lines_of_tasks_are_kept_for_as_long(postgres_desk: PostgresDesk) -> None:
    line = LoggedLine(0.0, 20, "coremachine.task", "x")
    PostgresTaskLogs(postgres_desk.pool).write([Written(TaskKey(7, 0, 0), 1, 1, 1, [line] * 3)])
    blobs = MemoryBlobs()
    assert keeper(postgres_desk, blobs, Keeping()).round().records["log lines"] == 0
    due = keeper(postgres_desk, blobs, NOW)
    assert due.preview().records["log lines"] == 3
    assert due.round().records["log lines"] == 3
    assert due.round().records["log lines"] == 0


def test_who_changed_what_is_kept_longer_than_details(postgres_desk: PostgresDesk) -> None:
    audit, details = PostgresAudit(postgres_desk.pool), Keeping(details=timedelta(0))
    audit.note("ada", "limit_changed", "raster")
    blobs = MemoryBlobs()
    assert keeper(postgres_desk, blobs, details).round().records["audit notes"] == 0
    due = keeper(postgres_desk, blobs, NOW)
    before = due.preview().records["audit notes"]
    assert before >= 1
    assert due.round().records["audit notes"] == before
    assert audit.notes(AuditFilter(), None, 10) == []


def test_ticks_that_are_decided_are_kept_for_as_long_as_was_said(
    postgres_desk: PostgresDesk,
) -> None:
    """One that is due keeps others from submitting it again, however old it is."""
    conn, blobs = postgres_desk.conn, MemoryBlobs()
    conn.execute(
        "insert into app.schedules (name, job_type, parameters, cron, zone, overlap, catch_up, backlog, owner,"
        " created_by, changed_by, decided) values ('n', 'line', '{}', '* * * * *', 'UTC', 'skip', 'none', 1,"
        " 'person', 'ada', 'ada', now() - interval '1 hour')"
    )
    for outcome, ago in (("submitted", 120), ("waiting", 100), ("skipped", 90), ("submitted", 30)):
        conn.execute(
            "insert into app.schedule_ticks (schedule_id, tick, outcome)"
            " select schedule_id, now() - make_interval(mins => %s), %s from app.schedules",
            [ago, outcome],
        )
    assert keeper(postgres_desk, blobs, Keeping()).round().records["schedule ticks"] == 0
    due = keeper(postgres_desk, blobs, NOW)
    assert due.preview().records["schedule ticks"] == 2
    assert due.round().records["schedule ticks"] == 2
    left = conn.execute("select outcome from app.schedule_ticks order by tick").fetchall()
    assert left == [("waiting",), ("submitted",)]


def test_the_list_of_a_batch_goes_once_its_jobs_have_ended_and_they_stay(
    postgres_desk: PostgresDesk,
) -> None:
    conn, blobs = postgres_desk.conn, MemoryBlobs()
    run = postgres_desk.submit(Line())
    for total, outcome, job in (
        (1, "submitted", run.job_id),
        (1, "due", None),
        (1, "invalid", None),
    ):
        conn.execute(
            "with made as (insert into app.batches (total, created_by) values (%s, 'ada') returning batch_id)"
            " insert into app.batch_jobs (batch_id, idx, job_type, job_id, outcome)"
            " select batch_id, 0, 'line', %s, %s from made",
            [total, job, outcome],
        )
    assert keeper(postgres_desk, blobs, Keeping()).round().records["batches"] == 0
    due = keeper(postgres_desk, blobs, NOW)
    assert due.preview().records["batches"] == 1
    assert due.round().records["batches"] == 1
    postgres_desk.work()
    assert due.round().records["batches"] == 1
    assert conn.execute("select outcome from app.batch_jobs").fetchall() == [("due",)]
    assert conn.execute("select count(*) from app.batches").fetchone() == (1,)
    assert postgres_desk.runs(run.job_id) != []


def test_a_round_removes_a_bounded_part_and_says_that_more_is_left(
    postgres_desk: PostgresDesk,
) -> None:
    conn = postgres_desk.conn
    conn.execute(
        "with made as (insert into app.batches (total, created_by) select 6000, 'ada' from generate_series(1, 3)"
        " returning batch_id) insert into app.batch_jobs (batch_id, idx, job_type, outcome)"
        " select batch_id, n, 'line', 'invalid' from made, generate_series(1, 6000) n"
    )
    due = keeper(postgres_desk, MemoryBlobs(), NOW)
    first, second = due.round(), due.round()
    assert (first.records["batches"], first.done) == (2, False)
    assert (second.records["batches"], second.done) == (1, True)


# orphans


def test_only_temporary_blobs_without_a_writer_are_removed(
    postgres_desk: PostgresDesk, tmp_path: Path
) -> None:
    """R48: of a task at work nothing is taken; what people stored is never looked at."""
    run = postgres_desk.submit(Line())
    busy = postgres_desk.one().key
    with Azurite(
        tmp_path / "azurite"
    ) as own:  # to this database the writers of all others are gone
        blobs = AzureBlobs(own.connection_string)
        kept = [
            blobs.staged(BlobRef("silver/maps/a.tif"), f"{busy}-1"),
            BlobRef("silver/maps/product.tif"),
            BlobRef("silver/maps/_staged/somebody-elses"),
            BlobRef(f"silver/coremachine/runs/{run.run}/value.json"),
        ]
        gone = [
            blobs.staged(BlobRef("silver/maps/b.tif"), f"{10**9}-0-5-1"),
            blobs.staged(BlobRef("gold/maps/c.tif"), f"{busy.run}-0-9-1"),
            BlobRef(f"silver/coremachine/runs/{10**9}/value.json"),
        ]
        for ref in [*kept, *gone]:
            blobs.write(ref, b"123")
        assert keeper(postgres_desk, blobs, Keeping()).round().names == []
        due = keeper(postgres_desk, blobs, NOW)
        assert sorted(due.preview().names) == sorted(map(str, gone))
        assert all(blobs.info(ref).size == 3 for ref in gone), "a preview removes nothing"
        assert sorted(due.round().names) == sorted(map(str, gone))
        assert [ref for ref in [*kept, *gone] if _is_there(blobs, ref)] == kept
        blobs.close()


def _is_there(blobs: AzureBlobs, ref: BlobRef) -> bool:
    found = blobs.list(ref.zone, ref.container, ref.path).blobs
    return ref in [blob.ref for blob in found]


class Contested(MemoryBlobs):
    """Whenever a blob is to be deleted that was 'late', its writer has just come back to it."""

    def delete(self, ref: BlobRef, *, if_etag: str | None = None) -> bool:
        if self.read(ref) == b"late":
            self.write(ref, b"anew")
        return super().delete(ref, if_etag=if_etag)


def test_an_orphan_that_is_written_again_stays_and_the_others_go(
    postgres_desk: PostgresDesk,
) -> None:
    blobs = Contested()
    stays, goes = (
        blobs.staged(BlobRef(f"silver/{name}/a.tif"), f"{10**9}-0-5-1")
        for name in ("first", "next")
    )
    blobs.write(stays, b"late")
    blobs.write(goes, b"gone")
    swept = keeper(postgres_desk, blobs, NOW).round()
    assert (swept.names, swept.blobs, swept.bytes) == ([str(goes)], 1, 4)
    assert blobs.read(stays) == b"anew"


# jobs


def test_records_of_jobs_are_removed_after_a_while_and_what_they_stored_stays(
    postgres_desk: PostgresDesk,
) -> None:
    """R35: never by a resubmit, only by time; a job that runs is left alone."""
    old, young = postgres_desk.submit(Line(label="a")), postgres_desk.submit(Wide(n=1))
    postgres_desk.work()
    running = postgres_desk.submit(Line(label="b"))
    postgres_desk.conn.execute(
        "update app.runs set finished_at = now() - interval '8 days' where run_id = %s", [old.run]
    )
    blobs = postgres_desk.machine.blobs
    product = BlobRef(f"silver/products/{old.job_id}/map.tif")
    blobs.write(product, b"kept")
    week = keeper(postgres_desk, blobs, Keeping(jobs=timedelta(days=7)))
    assert week.preview().jobs == [old.job_id]
    assert week.round().jobs == [old.job_id]
    assert week.round().jobs == []
    assert postgres_desk.runs(old.job_id) == []
    assert postgres_desk.runs(young.job_id) != []
    assert postgres_desk.status(running.run) == "queued"
    assert blobs.read(product) == b"kept"
    assert keeper(postgres_desk, blobs, Keeping()).preview().jobs == []


# the database


def test_the_database_shows_its_tables_and_migrations(
    postgres_desk: PostgresDesk, steward: PostgresSteward
) -> None:
    postgres_desk.submit(Line())
    names = {table.name for table in steward.tables()}
    assert {"app.jobs", "app.tasks"} <= names
    assert all(table.index_bytes >= 0 for table in steward.tables())
    found = steward.migrations()
    assert found[0].name == "0001_orchestrator.sql"
    assert all(each.applied_at for each in found)
    assert steward.ensure() == []


def test_who_waits_for_whom_is_told(
    postgres_desk: PostgresDesk, steward: PostgresSteward, store_dsn: str
) -> None:
    run = postgres_desk.submit(Line())
    lock = "select from app.runs where run_id = %s for update"
    with psycopg.connect(store_dsn) as holder, psycopg.connect(store_dsn) as waiter:
        holder.execute(lock, [run.run])
        waiting = threading.Thread(target=waiter.execute, args=(lock, [run.run]))
        waiting.start()
        (told,) = eventually(lambda: [each for each in steward.activity() if each.blocked_by])
        assert (told.pid, told.blocked_by) == (waiter.info.backend_pid, [holder.info.backend_pid])
        assert "for update" in told.statement
        holder.rollback()
        waiting.join(120)


def test_a_rebuild_is_refused_while_jobs_run(
    postgres_desk: PostgresDesk, steward: PostgresSteward
) -> None:
    """R52."""
    run = postgres_desk.submit(Line())
    with pytest.raises(JobsRunning, match="1 jobs have not ended"):
        steward.rebuild()
    assert postgres_desk.status(run.run) == "queued"


def test_a_rebuild_happens_as_a_whole_or_not_at_all(
    postgres_desk: PostgresDesk, steward: PostgresSteward, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R52, R53: a crash between dropping and creating leaves everything as it was."""
    run = postgres_desk.submit(Line())
    postgres_desk.work()
    known = migrations.migrations()
    broken = [*known[:-1], (9999, "9999_broken.sql", "select 1/0")]
    monkeypatch.setattr(migrations, "migrations", lambda: broken)
    with pytest.raises(psycopg.errors.DivisionByZero):
        steward.rebuild()
    assert postgres_desk.status(run.run) == "completed"
    monkeypatch.setattr(migrations, "migrations", lambda: known)
    assert steward.rebuild()[0][0] == "0001_orchestrator.sql"
    assert postgres_desk.runs(run.job_id) == []
    postgres_desk.submit(Line())
    postgres_desk.work()


def test_a_rebuild_locks_nobody_out(postgres_desk: PostgresDesk, steward: PostgresSteward) -> None:
    """API keys and what they did stay, and their numbers go on."""
    keys, audit = PostgresKeys(postgres_desk.pool), PostgresAudit(postgres_desk.pool)
    ada, bob = Secret.make(), Secret.make()
    keys.add(NewKey(ada.id, ada.digest, "ada", Role.OPERATOR), by="grace")
    audit.note("ada", "limit_changed", "raster", {"max_running": 3})
    notes = audit.notes(AuditFilter(), None, 500)
    _, kept = steward.rebuild()
    assert kept == ["app.keys", "app.audit"]
    assert KeyRing(keys).identify(str(ada)).role is Role.OPERATOR
    assert audit.notes(AuditFilter(), None, 500) == notes
    audit.note("ada", "maintained", "rebuild")
    assert audit.notes(AuditFilter(), None, 1)[0].id > notes[0].id
    keys.add(NewKey(bob.id, bob.digest, "bob", Role.READER), by="ada")
    assert [key.name for key in keys.list(None, 10)][:2] == ["bob", "ada"]
