"""Logs and webhooks: through the client, and by the command, on the real server with a real target."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import standardwebhooks

from core.registry import Registry
from core.webhooks.courier import Courier
from core.webhooks.desk import WebhookDesk
from coremachine_client import Client, NotFound
from infrastructure.calling import GuardedCaller
from infrastructure.mailroom import PostgresMailroom
from tests.clients.cli import command
from tests.clients.test_operating import Desk
from tests.http.house import House, house_of, serving
from tests.http.sample_jobs import JOBS, Squares, Talker
from tests.http.test_http_webhooks import RULES
from tests.support import target as targets
from tests.support.target import Target


@pytest.fixture
def house(database: str) -> Iterator[House]:
    with house_of(database, Registry.of(*JOBS, Talker)) as house:
        yield house


@pytest.fixture
def desk(house: House, tmp_path: Path) -> Iterator[Desk]:
    hooks = WebhookDesk(PostgresMailroom(house.database), GuardedCaller(RULES), house.registry)
    with (
        serving(house.app(webhooks=hooks)) as server,
        Client(server, backoff=0.01) as client,
    ):
        yield Desk(house, client, command(server, tmp_path))


@pytest.fixture
def target() -> Iterator[Target]:
    with targets.serving() as target:
        yield target


def deliver(house: House) -> None:
    """As a worker does."""
    room = PostgresMailroom(house.database)
    courier = Courier(room, GuardedCaller(RULES, seconds=60), "https://example.org")
    while parcels := room.claim(10, 10, 60):
        for parcel in parcels:
            courier.deliver(parcel)


# logs


def test_what_tasks_logged_is_read_page_by_page(desk: Desk) -> None:
    job_id = desk.house.finish(Talker(n=4))
    lines = list(desk.client.logs(job_id, page_size=2))
    assert len(lines) == 6
    assert lines == sorted(lines, key=lambda line: line.id)
    assert sorted(line.message for line in desk.client.logs(job_id, level="warning")) == [
        "odd: 1",
        "odd: 3",
    ]
    task = lines[0].task_id
    assert {line.task_id for line in desk.client.logs(job_id, task_id=task)} == {task}
    assert list(desk.client.logs(job_id, after=lines[-2].id)) == lines[-1:]


def test_logs_by_the_command(desk: Desk) -> None:
    job_id = desk.house.finish(Talker(n=4))
    assert desk.cli("logs", job_id).out.count("number") == 4
    warnings = desk.cli("logs", job_id[:12], "--level", "WARNING").out.splitlines()
    assert [line.split(maxsplit=3)[2:] for line in sorted(warnings, key=lambda s: s[-1])] == [
        ["WARNING", "odd: 1"],
        ["WARNING", "odd: 3"],
    ]
    assert len(desk.cli("logs", job_id, "--json", "-n", 5).lines) == 5


# webhooks


def test_webhooks_live_through_the_client(desk: Desk, target: Target) -> None:
    hooks = desk.client.webhooks
    made = hooks.create(target.url(), ["job.completed"], description="the shop")
    assert made.secret is not None
    assert [(hook.id, hook.secret) for hook in hooks] == [(made.id, None)]
    desk.house.finish(Squares(n=2))
    deliver(desk.house)
    [asked] = target.asked
    read = standardwebhooks.Webhook(made.secret).verify(asked.body, dict(asked.headers))
    assert read["type"] == "job.completed"
    [sent] = hooks.deliveries(made.id, status="delivered")
    assert (sent.type, sent.attempts) == ("job.completed", 1)
    assert hooks.replay(made.id, sent.id).id == sent.id
    assert hooks.test(made.id).type == "webhook.test"
    assert hooks.pause(made.id).state == "paused"
    assert hooks.resume(made.id).state == "active"
    assert hooks.update(made.id, target.url(), ["job.*"]).events == ["job.*"]
    assert hooks.rotate_secret(made.id, overlap_hours=0) not in {made.secret, None}
    hooks.delete(made.id)
    with pytest.raises(NotFound):
        hooks.get(made.id)


def test_webhooks_by_the_command(desk: Desk, target: Target) -> None:
    def cli(*words: object):
        return desk.cli("webhooks", *words)

    made = cli("create", target.url(), "--event", "job.completed", "--json").document
    hook = made["id"]
    assert made["secret"].startswith("whsec_")
    assert hook in cli("list").out
    assert made["secret"] not in cli("show", hook).out
    desk.house.finish(Squares(n=2))
    deliver(desk.house)
    sent = cli("deliveries", hook, "--json").lines
    assert [each["type"] for each in sent] == ["job.completed"]
    assert "delivered" in cli("deliveries", hook).out
    one = cli("deliveries", hook, sent[0]["id"], "--json").document
    assert [attempt["status_code"] for attempt in one["history"]] == [200]
    assert cli("replay", hook, sent[0]["id"]).code == 0
    assert cli("test", hook).code == 0
    assert cli("pause", hook).code == 0
    assert "paused" in cli("list").out
    assert cli("resume", hook).code == 0
    assert cli("update", hook, target.url(), "--event", "job.*").code == 0
    assert cli("secret", hook).out.startswith("whsec_")
    assert cli("delete", hook).code == 0
    assert cli("show", hook).code == 3
    assert cli("create", "http://10.0.0.1/in").code == 2
