"""Worker processes that tell targets of events: they die, targets are down, and neither jobs nor messages suffer."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import standardwebhooks

from core.webhooks.rules import Wish, new_secret
from infrastructure.mailroom import PostgresMailroom
from tests.faults.conftest import Harbour
from tests.support.fault_jobs.relay import Relay
from tests.support.fleet import Fleet
from tests.support.target import Reply, Target, serving
from tests.support.waiting import eventually
from triggers.local import ports

ALLOWED = {"CM_URL_PLAIN_HTTP": "true", "CM_URL_NETWORKS": "127.0.0.1/32"}


@pytest.fixture
def fleet(harbour: Harbour) -> Iterator[Fleet]:
    with harbour(**ALLOWED) as fleet:
        yield fleet


@pytest.fixture
def target() -> Iterator[Target]:
    with serving() as target:
        yield target


def hook(fleet: Fleet, url: str, **wish: Any) -> tuple[UUID, str]:
    secret = new_secret()
    return PostgresMailroom(fleet._database).add(Wish(url, **wish), secret, "ann").id, secret


def statuses(fleet: Fleet, webhook: UUID) -> set[str]:
    rows = fleet.ask("select distinct status from app.deliveries where webhook_id = %s", webhook)
    return {status for (status,) in rows}


def end_leases(fleet: Fleet) -> None:
    """Time passes for those who died while they were sending."""
    fleet.ask(
        "update app.deliveries set due_at = due_at - %s where status = 'sending' returning 1",
        timedelta(minutes=5),
    )


def test_workers_tell_of_every_event_once_or_more_and_under_one_name(
    fleet: Fleet, target: Target
) -> None:
    """R131, fault 50: three workers, one job, each event at the target."""
    webhook, secret = hook(fleet, target.url())
    run = fleet.submit(Relay())
    for _ in range(3):
        fleet.start()
    fleet.ended(run)
    eventually(lambda: statuses(fleet, webhook) == {"delivered"}, 60)
    reader = standardwebhooks.Webhook(secret)
    told = {reader.verify(one.body, dict(one.headers))["data"]["event"] for one in target.asked}
    (last,) = fleet.ask("select max(number) from app.events")
    assert told == set(range(1, last[0] + 1))
    assert set(target.ids.values()) == {1}


@pytest.mark.parametrize(
    ("point", "times"), [("webhook.before_send", 1), ("webhook.after_send", 2)]
)
def test_a_worker_that_dies_while_it_sends_is_followed_by_another(
    fleet: Fleet, target: Target, point: str, times: int
) -> None:
    """Fault 50: a crash repeats a message under its name, and never loses one."""
    webhook, _ = hook(fleet, target.url(), events=("job.completed",))
    run = fleet.submit(Relay())
    doomed = fleet.start(crash=f"{point}:1")
    fleet.ended(run)
    assert doomed.died() == -9
    assert statuses(fleet, webhook) == {"sending"}
    end_leases(fleet)
    fleet.start()
    eventually(lambda: statuses(fleet, webhook) == {"delivered"}, 60)
    assert list(target.ids.values()) == [times]


def test_targets_that_are_down_or_hang_hold_up_no_job(fleet: Fleet) -> None:
    """Fault 50."""
    with serving() as hanging:
        hanging.reply = Reply(head_drips=True, drip=0.5)
        hook(fleet, hanging.url())
        hook(fleet, f"http://127.0.0.1:{ports.free()}/")
        hook(fleet, "http://127.0.0.1.invalid/")
        fleet.start()
        ended = fleet.ended(fleet.submit(Relay()))
        assert ended.result == Relay().expected


def test_a_worker_stops_in_time_though_a_target_hangs(fleet: Fleet) -> None:
    with serving() as hanging:
        hanging.reply = Reply(head_drips=True, drip=0.5)
        webhook, _ = hook(fleet, hanging.url(), events=("job.submitted",))
        worker = fleet.start()
        fleet.submit(Relay())
        eventually(lambda: hanging.asked)
        worker.terminate()
        assert worker.died() == 0
        assert statuses(fleet, webhook) == {"sending"}, "another goes on with it after the lease"
