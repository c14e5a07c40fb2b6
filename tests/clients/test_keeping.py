"""Limits, dead letters, the database, the audit and the catalog: through the client, and by the command."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from core import Context, JobBase, single
from core.admission.terms import Concurrency
from core.registry import Registry
from core.upkeep.housekeeper import Housekeeper
from core.upkeep.keeping import Keeping
from core.upkeep.removal import Removal
from coremachine_client import BadRequest, Client, Conflict, NotFound, WaitedTooLong
from coremachine_client.models import Progress
from infrastructure.steward import PostgresSteward
from tests.clients.cli import command
from tests.clients.test_operating import Desk
from tests.http.house import House, house_of, serving
from tests.http.sample_jobs import JOBS, Choosy, Squares
from triggers.cli import watching
from triggers.cli.watching import Lines


class Writes(JobBase, concurrency=Concurrency("{table}", at_most=1), rate="100/minute"):
    """One at a time for each table."""

    table: str = "roads"
    label: str = ""

    @single
    def write(self, ctx: Context) -> str:
        return self.label


@pytest.fixture(params=[False])
def desk(database: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Desk]:
    with house_of(database, Registry.of(*JOBS, Writes)) as house:
        steward, keeping = PostgresSteward(house.database), Keeping(details=timedelta(0))
        housekeeper = Housekeeper(steward, house.blobs, Removal(house.machine), keeping)
        app = house.app(housekeeper=housekeeper, development=request.param)
        with serving(app) as server, Client(server, backoff=0.01) as client:
            yield Desk(house, client, command(server, tmp_path))


# order, and why a job waits


def test_a_job_that_comes_after_others_says_so(desk: Desk) -> None:
    first = desk.client.submit("squares", {"n": 1})
    then = desk.client.submit("squares", {"n": 2}, after=[first], after_success=True, priority=20)
    assert (first.waits, then.waits) == (False, True)
    told = desk.client.status(then)
    assert told.priority == 20
    assert told.waiting is not None
    assert (told.waiting.reason, told.waiting.jobs) == ("dependencies", [first.job_id])
    assert [line.waiting for line in desk.client.jobs()] == [True, False]
    progress = next(each for each in desk.client.stream(then) if isinstance(each, Progress))
    assert progress.waiting == told.waiting
    with pytest.raises(WaitedTooLong, match="it waits for 1 job"):
        desk.client.wait(then, timeout=0.1)
    desk.house.work()
    assert desk.client.wait(then, timeout=120).waiting is None


def test_the_command_says_why_a_job_waits(desk: Desk) -> None:
    cli = desk.cli
    first = cli("submit", "squares", "--n", 1, "--no-wait").out.strip()
    how = ("--after", first[:12], "--after-success", "--priority", 20, "--no-wait")
    done = cli("submit", "squares", "--n", 2, *how)
    assert (done.code, done.err) == (0, "The job waits to run for the first time.\n")
    then = done.out.strip()
    shown = cli("show", then).out
    assert f"it waits for 1 job(s) that have not ended ({first[:12]})" in shown
    assert "priority    20" in shown
    assert "queued, waits" in cli("list").out
    asked = cli("submit", "squares", "--n", 2, "--timeout", 0.1)
    assert asked.code == 7
    assert f"queued, waits: it waits for 1 job(s) that have not ended ({first[:12]})" in asked.err
    assert cli("submit", "squares", "--n", 3, "--priority", 101).code == 2
    assert cli("submit", "squares", "--n", 3, "--after", "0" * 64).code == 2
    desk.house.work()
    assert "waits" not in cli("show", then).out


def test_a_log_hears_once_what_a_job_waits_for_and_again_when_that_changes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = Lines()
    for reason, message in (
        ("rate", "the next one in 2 s"),
        ("rate", "the next one in 1 s"),
        ("turn", "in a moment"),
    ):
        waiting = {"reason": reason, "message": message}
        lines.update(Progress.model_validate({"status": "queued", "waiting": waiting}))
    lines.update(Progress(status="completed", progress=1.0))
    assert capsys.readouterr().err.splitlines() == [
        "queued, waits: the next one in 2 s",
        "queued, waits: in a moment",
        "completed 100%",
    ]


def test_of_many_jobs_that_are_waited_for_the_first_are_named() -> None:
    jobs = [letter * 64 for letter in "abcd"]
    waiting = {"status": "queued", "waiting": {"reason": "x", "message": "so", "jobs": jobs}}
    told = Progress.model_validate(waiting).waiting
    assert told is not None
    named = ", ".join(letter * 12 for letter in "abc")
    assert watching.why(told) == f"so ({named}, …)"


# limits


def test_limits_are_set_and_lifted_through_the_client(desk: Desk) -> None:
    limits = desk.client.limits
    assert (limits.get("writes").max_running, limits.get("writes").own_rate) == (None, "100/minute")
    told = limits.set("writes", max_running=0, rate="5/second")
    assert (told.max_running, told.rate, told.set_by is not None) == (0, "5/second", True)
    held = desk.client.submit("writes", {"label": "held"})
    assert held.waits
    assert limits.get("writes").waiting == 1
    assert limits.lift("writes").rate is None
    desk.house.work()
    assert desk.client.wait(held, timeout=120).succeeded
    with pytest.raises(NotFound):
        limits.get("nonsense")
    with pytest.raises(BadRequest):
        limits.set("writes", rate="often")


def test_keys_tell_who_holds_them_and_who_is_next(desk: Desk) -> None:
    first, second = (desk.client.submit("writes", {"label": label}) for label in "ab")
    [key] = desk.client.limits.keys(page_size=1)
    assert (key.key, key.at_most, key.waiting) == ("writes:roads", 1, 1)
    assert [run.job_id for run in key.holders] == [first.job_id]
    assert [run.job_id for run in key.next] == [second.job_id]
    row = desk.cli("limits", "keys").out.splitlines()[1].split()
    assert row == ["writes:roads", "1", first.job_id[:12], "1", second.job_id[:12]]
    assert desk.cli("limits", "keys", "--json").lines[0]["waiting"] == 1


def test_limits_by_the_command(desk: Desk) -> None:
    def cli(*words: object):
        return desk.cli("limits", *words)

    assert "as many as there are" in cli("show", "writes").out
    done = cli("set", "writes", "--max-running", 2, "--rate", "5/second", "--json").document
    assert (done["max_running"], done["rate"]) == (2, "5/second")
    assert "5/second" in cli("show", "writes").out
    assert cli("lift", "writes", "--json").document["max_running"] is None
    assert cli("set", "writes").code == 2
    assert cli("set", "writes", "--rate", "often").code == 2
    assert cli("show", "nonsense").code == 3


# dead letters


def set_aside(house: House) -> None:
    for number in range(3):
        house.store.quarantine("jobs", f"m{number}", b"nonsense", "not a task message")


def test_dead_letters_through_the_client(desk: Desk) -> None:
    letters = desk.client.letters
    set_aside(desk.house)
    assert [letter.message_id for letter in letters] == ["m2", "m1", "m0"]
    newest = next(iter(letters))
    assert letters.get(newest.id).text == "nonsense"
    with pytest.raises(Conflict):
        letters.replay(newest.id)
    letters.discard(newest.id)
    with pytest.raises(NotFound):
        letters.get(newest.id)


def test_dead_letters_by_the_command(desk: Desk) -> None:
    def cli(*words: object):
        return desk.cli("letters", *words)

    assert cli("list").err == "No message is set aside.\n"
    set_aside(desk.house)
    numbers = [letter["id"] for letter in cli("list", "--json").lines]
    assert "not a task message" in cli("list", "-n", 1).out
    assert "nonsense" in cli("show", numbers[0]).out
    assert cli("replay", numbers[0]).code == 4
    assert cli("discard", numbers[0]).code == 0
    assert cli("show", numbers[0]).code == 3
    assert cli("discard", numbers[0]).code == 3


# the database


def test_the_house_is_kept_through_the_client(desk: Desk) -> None:
    house = desk.client.house
    set_aside(desk.house)
    assert "app.tasks" in [table.name for table in house.tables()]
    with psycopg.connect(desk.house.database.dsn, application_name="a guest"):
        assert "a guest" in [each.application for each in house.activity()]
    assert house.activity("locks") == []
    assert all(each.applied_at for each in house.migrations())
    assert house.ensure() == []
    would = house.cleanup(dry_run=True)
    assert (would.dry_run, would.records["dead letters"]) == (True, 3)
    done = house.cleanup()
    assert (done.dry_run, done.records["dead letters"]) == (False, 3)
    with pytest.raises(Conflict) as refused:
        house.rebuild()
    assert refused.value.code == "only_in_development"


def test_the_house_is_kept_by_the_command(desk: Desk) -> None:
    def cli(*words: object, **more: str):
        return desk.cli("house", *words, **more)

    set_aside(desk.house)
    assert "app.tasks" in cli("tables").out
    with psycopg.connect(desk.house.database.dsn, application_name="a guest"):
        assert "a guest" in cli("activity").out
    assert cli("activity", "--type", "locks").err == "There are no such connections.\n"
    assert cli("activity", "--type", "all").code == 2
    assert len(cli("migrations", "--json").lines) == len(desk.client.house.migrations())
    assert "missing" not in cli("migrations").out
    assert cli("ensure").out == "No migration is missing.\n"
    assert "3 dead letters, 0 blobs (0 B) would go." in cli("cleanup", "--dry-run").out
    assert cli("cleanup", text="n\n").code == 1
    assert cli("cleanup", "--json").code == 1, "a script says --yes"
    assert len(list(desk.client.letters)) == 3
    assert "3 dead letters, 0 blobs (0 B) are gone." in cli("cleanup", "--yes").out
    assert cli("rebuild", "--yes").code == 4


@pytest.mark.parametrize("desk", [True], indirect=True)
def test_in_development_everything_begins_anew_after_a_question(desk: Desk) -> None:
    job_id = desk.house.finish(Choosy(count=1))
    assert desk.cli("house", "rebuild", text="n\n").code == 1
    assert desk.client.status(job_id).succeeded
    assert "Every job is gone" in desk.cli("house", "rebuild", text="y\n").out
    with pytest.raises(NotFound):
        desk.client.status(job_id)
    desk.house.finish(Squares(n=1))
    assert len(desk.client.house.rebuild()) == len(desk.client.house.migrations())


# the audit


def test_the_audit_tells_who_changed_what(desk: Desk) -> None:
    made = [desk.client.keys.create(name, "reader") for name in ("one", "two")]
    desk.client.keys.revoke(made[0].id)
    notes = list(desk.client.audit(page_size=2))
    assert [note.action for note in notes] == ["key_revoked", "key_created", "key_created"]
    [revoked] = desk.client.audit(action="key_revoked")
    assert revoked.subject == made[0].id
    assert list(desk.client.audit(actor="nobody")) == []
    assert list(desk.client.audit(created_before=datetime.now(UTC) - timedelta(hours=1))) == []
    assert len(list(desk.client.audit(created_after=datetime.now(UTC) - timedelta(hours=1)))) == 3


def test_the_audit_by_the_command(desk: Desk) -> None:
    made = desk.client.keys.create("one", "reader")
    assert made.id in desk.cli("audit").out
    assert desk.cli("audit", "--action", "key_revoked").err == "Nothing was changed so.\n"
    by = desk.cli("audit", "--hours", 1, "--json").lines[0]["by"]
    assert desk.cli("audit", "--actor", by, "--json").lines[0]["subject"] == made.id


# the catalog


def test_the_catalog_gets_its_standard_collections(desk: Desk) -> None:
    missing = desk.client.catalog.setup().missing
    assert missing
    assert desk.cli("catalog", "init", "--json").document["created"] == missing
    assert desk.client.catalog.init() == []
    assert desk.cli("catalog", "init").out == "None is missing.\n"
    assert f"collections  {len(missing)}" in desk.cli("catalog", "show").out
