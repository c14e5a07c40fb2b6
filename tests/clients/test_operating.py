"""Steering jobs, schedules, templates, batches and keys: through the client, and by the command."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from core import Context, JobBase, gate, single
from core.keys import KeyRing
from core.registry import Registry
from coremachine_client import BadRequest, Client, Conflict, Forbidden, NotFound, Unauthorised
from infrastructure.keys import PostgresKeys
from tests.clients.cli import Cli, command
from tests.http.house import House, house_of, serving
from tests.http.sample_jobs import JOBS, Failing, Relay, Squares
from triggers.http.door.access import Access, Rates
from triggers.listening import Mode


class Guarded(JobBase):
    """Waits for a person."""

    label: str = ""

    @single
    def look(self, ctx: Context) -> str:
        return self.label

    @gate(look)
    def review(self, ctx: Context, found: str) -> str:
        return f"Is {found!r} right?"

    @single(look, after=(review,))
    def go_on(self, ctx: Context, found: str) -> str:
        return found


@dataclass
class Desk:
    """A house with a client and a command for it."""

    house: House
    client: Client
    cli: Cli


@pytest.fixture
def desk(database: str, tmp_path: Path) -> Iterator[Desk]:
    with (
        house_of(database, Registry.of(*JOBS, Guarded)) as house,
        serving(house.app()) as server,
        Client(server, backoff=0.01) as client,
    ):
        yield Desk(house, client, command(server, tmp_path))


# steering, through the client


def test_a_job_is_cancelled_once(desk: Desk) -> None:
    job_id = desk.house.submit(Squares(n=3))
    done = desk.client.cancel(job_id, "a typing error")
    assert (done.status, done.changed) == ("cancelled", True)
    assert desk.client.cancel(job_id).changed is False
    assert list(desk.client.events(job_id))[-1].data["reason"] == "a typing error"  # type: ignore[index]


def test_a_job_is_paused_and_goes_on(desk: Desk) -> None:
    job_id = desk.house.submit(Squares(n=3))
    assert desk.client.pause(job_id).status == "paused"
    desk.house.work()
    assert desk.client.status(job_id).status == "paused"
    desk.client.resume(job_id)
    desk.house.work()
    assert desk.client.wait(job_id).status == "completed"


def test_a_job_runs_again_whole_in_part_and_from_a_stage(desk: Desk) -> None:
    job_id = desk.house.finish(Relay(n=3))
    with pytest.raises(Conflict):
        desk.client.resubmit(job_id)
    assert desk.client.resubmit(job_id, from_start=True, force=True).run == 2
    desk.house.work()
    assert desk.client.replay(job_id, "total").run == 3
    desk.house.work()
    assert desk.client.wait(job_id).result == 9


def test_one_task_is_tried_again(desk: Desk) -> None:
    job_id = desk.house.finish(Failing())
    task = next(desk.client.tasks(job_id, status="failed"))
    assert desk.client.retry(job_id, task.task_id).run == 2


def test_a_gate_is_opened_and_another_closed(desk: Desk) -> None:
    passed, stopped = (desk.house.finish(Guarded(label=label)) for label in ("a", "b"))
    desk.client.approve(passed, "review", "looks right")
    desk.client.reject(stopped, "review")
    desk.house.work()
    assert desk.client.wait(passed).result == "a"
    assert desk.client.wait(stopped).status == "failed"


def test_a_job_is_deleted_after_a_look_at_what_goes(desk: Desk) -> None:
    job_id = desk.house.finish(Squares(n=3))
    looked = desk.client.delete(job_id, dry_run=True)
    assert (looked.dry_run, looked.runs) == (True, 1)
    assert desk.client.delete(job_id).gone
    with pytest.raises(NotFound):
        desk.client.status(job_id)


# steering, by the command


def test_the_command_steers_jobs(desk: Desk) -> None:
    cli = desk.cli
    job_id = desk.house.submit(Squares(n=3))
    assert "paused" in cli("pause", job_id[:12]).out
    assert cli("resume", job_id, "--json").document["changed"] is True
    assert cli("cancel", job_id, "--reason", "enough").code == 0
    assert cli("resubmit", job_id, "--json").document["run"] == 2
    desk.house.work()
    refused = cli("resubmit", job_id)
    assert (refused.code, refused.out) == (4, "")
    assert cli("replay", job_id, "square", "--json").document["run"] == 3
    desk.house.work()
    failed = desk.house.finish(Failing())
    task = next(desk.client.tasks(failed, status="failed"))
    assert cli("retry", failed, task.task_id, "--json").document["run"] == 2


def test_the_command_settles_gates(desk: Desk) -> None:
    passed, stopped = (desk.house.finish(Guarded(label=label)) for label in ("a", "b"))
    assert desk.cli("approve", passed, "review", "--note", "fine").code == 0
    assert desk.cli("reject", stopped, "review").code == 0
    assert desk.cli("approve", stopped, "review").code == 4


def test_the_command_asks_before_it_deletes(desk: Desk) -> None:
    job_id = desk.house.finish(Squares(n=3))
    assert "1 runs" in desk.cli("delete", job_id, "--dry-run").out
    assert desk.cli("delete", job_id, text="n\n").code == 1
    assert desk.client.status(job_id).status == "completed"
    assert desk.cli("delete", job_id, text="y\n").code == 0
    assert desk.cli("show", job_id).code == 3


# schedules


def test_schedules_live_through_the_client(desk: Desk) -> None:
    schedules = desk.client.schedules
    made = schedules.create("nightly", "squares", "0 6 * * *", parameters={"n": 2})
    assert (made.time_zone, made.paused) == ("UTC", False)
    with pytest.raises(Conflict):
        schedules.create("nightly", "squares", "@daily", parameters={"n": 2})
    assert [each.name for each in schedules] == ["nightly"]
    assert len(schedules.next("nightly", 3)) == 3
    assert schedules.pause("nightly").changed
    assert schedules.resume("nightly").changed
    tick = schedules.trigger("nightly")
    assert (tick.manual, tick.job_id) == (True, Squares(n=2).fingerprint)
    assert [each.job_id for each in schedules.history("nightly")] == [tick.job_id]
    changed = schedules.update(
        "nightly", "squares", "@hourly", time_zone="Africa/Kigali", parameters={"n": 3}
    )
    assert changed.schedule is not None
    assert changed.schedule.time_zone == "Africa/Kigali"
    schedules.delete("nightly")
    with pytest.raises(NotFound):
        schedules.get("nightly")


def test_schedules_by_the_command(desk: Desk) -> None:
    def cli(*words: object, **more: str):
        return desk.cli("schedules", *words, **more)

    made = cli("create", "nightly", "squares", "0 6 * * *", "--from", "-", text="n: 2")
    assert (made.code, "0 6 * * *" in made.out) == (0, True)
    assert "nightly" in cli("list").out
    assert cli("show", "nightly", "--json").document["parameters"] == {"n": 2}
    assert len(cli("next", "nightly", "-n", 2).out.splitlines()) == 2
    assert cli("pause", "nightly").code == 0
    assert "paused" in cli("list").out
    assert cli("resume", "nightly").code == 0
    assert cli("trigger", "nightly").out.strip() == Squares(n=2).fingerprint
    assert Squares(n=2).fingerprint[:12] in cli("history", "nightly").out
    text = json.dumps({"n": 4})
    assert cli("update", "nightly", "squares", "@daily", "--from", "-", text=text).code == 0
    assert cli("delete", "nightly").code == 0
    assert cli("show", "nightly").code == 3
    assert cli("create", "bad", "squares", "61 * * * *", "--from", "-", text="n: 1").code == 2


# templates


def test_templates_live_through_the_client(desk: Desk) -> None:
    templates = desk.client.templates
    assert templates.put("few", "squares", {"n": 2}).version == 1
    assert templates.put("few", "squares", {"n": 3}, description="more").version == 2
    assert [each.version for each in templates.versions("few")] == [2, 1]
    assert [each.name for each in templates] == ["few"]
    assert templates.get("few", version=1).parameters == {"n": 2}
    submitted = templates.submit("few", version=1)
    assert submitted.job_id == Squares(n=2).fingerprint
    assert templates.submit("few", {"n": 9}).parameters == {"n": 9}
    assert [use.version for use in templates.submissions("few")] == [2, 1]
    templates.delete("few")
    with pytest.raises(NotFound):
        templates.get("few")


def test_templates_by_the_command(desk: Desk) -> None:
    def cli(*words: object, **more: str):
        return desk.cli("templates", *words, **more)

    assert "version 1" in cli("put", "few", "squares", "--from", "-", text="n: 2").out
    assert "few" in cli("list").out
    assert cli("versions", "few", "--json").lines[0]["version"] == 1
    assert cli("show", "few", "--json").document["parameters"] == {"n": 2}
    job_id = cli("submit", "few", "--no-wait").out.strip()
    desk.house.work()
    assert job_id == Squares(n=2).fingerprint
    waited = cli("submit", "few", "--from", "-", "--json", text='{"n": 2}').document
    assert waited["status"] == "completed"
    assert [use["version"] for use in cli("submissions", "few", "--json").lines] == [1, 1]
    assert job_id[:12] in cli("submissions", "few").out
    assert cli("delete", "few").code == 0


# batches


def test_batches_live_through_the_client(desk: Desk) -> None:
    orders = [{"job_type": "squares", "parameters": {"n": n}} for n in range(3)]
    batch = desk.client.batches.create(orders, "three")
    with pytest.raises(BadRequest):
        desk.client.batches.create([{"job_type": "squares", "parameters": {"n": "x"}}])
    assert [each.batch_id for each in desk.client.batches] == [batch.batch_id]
    members = list(desk.client.batches.jobs(batch.batch_id))
    assert [member.job_id for member in members] == [Squares(n=n).fingerprint for n in range(3)]
    assert desk.client.batches.cancel(batch.batch_id, "enough").cancelled == 3
    assert desk.client.batches.get(batch.batch_id).done


def test_batches_by_the_command(desk: Desk, tmp_path: Path) -> None:
    def cli(*words: object, **more: str):
        return desk.cli("batches", *words, **more)

    orders = [{"job_type": "squares", "parameters": {"n": n}} for n in range(2)]
    (tmp_path / "jobs.yaml").write_text("- job_type: squares\n  parameters: {n: 7}\n")
    one = cli("create", "--from", tmp_path / "jobs.yaml", "--name", "one").out.strip()
    lines = "\n".join(map(json.dumps, orders))
    two = cli("create", "--from", "-", "--json", text=lines).document
    assert two["total"] == 2
    assert "one" in cli("list").out
    assert cli("show", one, "--json").document["total"] == 1
    assert cli("jobs", one, "--json").lines[0]["job_id"] == Squares(n=7).fingerprint
    assert "1 jobs are cancelled" in cli("cancel", one).out
    assert cli("create", "--from", "-", text="{}").code == 2


# identity


@contextmanager
def strict(house: House) -> Iterator[str]:
    """A server that answers only those it knows."""
    ring = KeyRing(PostgresKeys(house.database), lasts=0)
    access = Access(Mode.REQUIRED, (ring,), Rates(0, 1, 0, 1, 0))
    with serving(house.app(access=access, keys=ring)) as server:
        yield server


@pytest.fixture
def first_key(desk: Desk) -> str:
    made = desk.client.keys.create("the first", "operator")
    assert made.key is not None
    return made.key


def test_a_key_says_who_asks_and_what_it_may(desk: Desk, first_key: str) -> None:
    with strict(desk.house) as server:
        with Client(server) as nobody, pytest.raises(Unauthorised):
            list(nobody.jobs())
        with Client(server, api_key=first_key) as operator:
            assert operator.whoami().role == "operator"
            reader = operator.keys.create("a reader", "reader", days=1)
            with Client(server, token=lambda: reader.key or "") as one, pytest.raises(Forbidden):
                one.submit("squares", {"n": 1})
            assert {key.name for key in operator.keys} == {"the first", "a reader"}
            assert operator.keys.revoke(reader.id).revoked_at is not None
            with Client(server, api_key=reader.key) as one, pytest.raises(Unauthorised):
                list(one.jobs())


def test_the_command_sends_the_key_that_was_set(desk: Desk, first_key: str, tmp_path: Path) -> None:
    with strict(desk.house) as server:
        cli = command(server, tmp_path / uuid4().hex)
        assert cli("list").code == 5
        assert cli("config", "set", "api-key", text=f"{first_key}\n").code == 0
        assert cli("list").code == 0
        assert cli("whoami", "--json").document["role"] == "operator"
        made = cli("keys", "create", "import", "--role", "submitter", "--json").document
        assert made["key"] not in cli("keys", "list").out
        assert "import" in cli("keys", "list").out
        assert cli("keys", "revoke", made["id"]).code == 0
        assert "revoked" in cli("keys", "list").out


Verb = Callable[[Client, str], object]


@pytest.mark.parametrize(
    "verb",
    [
        lambda client, job: client.cancel(job),
        lambda client, job: client.pause(job),
        lambda client, job: client.resume(job),
        lambda client, job: client.resubmit(job),
        lambda client, job: client.replay(job, "square"),
        lambda client, job: client.retry(job, "1-0-0"),
        lambda client, job: client.delete(job),
        lambda client, job: client.approve(job, "gate"),
    ],
)
def test_a_job_that_is_not_there_cannot_be_steered(desk: Desk, verb: Verb) -> None:
    with pytest.raises(NotFound):
        verb(desk.client, "0" * 64)
