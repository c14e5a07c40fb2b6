"""Couriers and pumps over a real target: what is down, slow, dripping or gone harms nobody else."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import pytest
import standardwebhooks

from core.guard import UrlRules
from core.memory.mailroom import MemoryMailroom
from core.memory.store import MemoryStore
from core.webhooks import rules
from core.webhooks.courier import Courier, Pump
from core.webhooks.mailroom import DeliveryView
from core.webhooks.rules import OPENS_AFTER, PER_TARGET, Wish, new_secret
from infrastructure.calling import GuardedCaller
from tests.support.target import Reply, Target, serving
from tests.support.waiting import eventually
from triggers.local import ports

RULES = UrlRules(plain_http=True, networks=(ip_network("127.0.0.1/32"),))


class Bell:
    """Rings in one process."""

    def __init__(self) -> None:
        self.rung = 0
        self.condition = threading.Condition()

    def wait(self, name: str, seen: int, seconds: float) -> int:
        with self.condition:
            self.condition.wait_for(lambda: self.rung != seen, min(seconds, 0.1))
            return self.rung

    def ring(self, *names: str) -> None:
        with self.condition:
            self.rung += 1
            self.condition.notify_all()


class Office:
    """A mailroom, and a pump that serves it."""

    def __init__(self, stack: ExitStack, senders: int = 8, seconds: float = 60.0) -> None:
        self.store = MemoryStore()
        self.room = MemoryMailroom(self.store.books)
        self.courier = Courier(self.room, GuardedCaller(RULES, seconds=seconds))
        self.pump = Pump(self.courier, Bell(), senders=senders)
        self.secrets: dict[UUID, str] = {}
        stack.callback(self.pump.stop)

    def hook(self, url: str, **wish: Any) -> UUID:
        secret = new_secret()
        hook = self.room.add(Wish(url, **wish), secret, "ann").id
        self.secrets[hook] = secret
        return hook

    def ping(self, hook: UUID, times: int = 1) -> None:
        for _ in range(times):
            self.room.ping(hook, "ann")
        self.pump.bell.ring()

    def last(self, hook: UUID) -> DeliveryView:
        return self.room.deliveries(hook, None, None, 1)[0]

    def status(self, hook: UUID) -> str:
        return self.last(hook).status


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def target(stack: ExitStack) -> Target:
    return stack.enter_context(serving())


@pytest.fixture
def office(stack: ExitStack) -> Office:
    return Office(stack)


def test_a_delivery_arrives_signed_and_its_history_tells_of_it(office: Office, target: Target):
    office.pump.start()
    hook = office.hook(target.url())
    office.ping(hook)
    eventually(lambda: office.status(hook) == "delivered")
    (asked,) = target.asked
    reader = standardwebhooks.Webhook(office.secrets[hook])
    told = reader.verify(asked.body, dict(asked.headers))
    assert told["type"] == "webhook.test"
    assert asked.headers["content-type"] == "application/json"
    (attempt,) = office.room.attempts(office.last(hook).id)
    assert (attempt.status_code, attempt.answer) == (200, "ok")


@pytest.mark.parametrize(
    ("reply", "code", "error"),
    [
        (Reply(500, body=b"boom" * 1000), 500, None),
        (Reply(404), 404, None),
        (Reply(302, {"Location": "http://169.254.169.254/"}), 302, "redirects are not followed"),
        (Reply(head_drips=True, drip=0.2), None, "no whole answer in time"),
    ],
    ids=["5xx", "4xx", "redirect", "drip"],
)
def test_what_is_no_success_is_written_down_and_tried_again(
    stack: ExitStack, target: Target, reply: Reply, code: int | None, error: str | None
):
    """Fault 50."""
    office = Office(stack, seconds=3 if reply.head_drips else 60)
    target.reply = reply
    hook = office.hook(target.url())
    office.ping(hook)
    office.pump.round()
    assert office.pump.settled(60)
    letter = office.last(hook)
    assert (letter.status, letter.status_code, letter.error) == ("waiting", code, error)
    assert letter.next_at is not None
    (attempt,) = office.room.attempts(letter.id)
    assert len(attempt.answer) <= 1024
    target.reply = Reply()
    office.courier.caller.seconds = 60
    office.store.advance(10)
    office.pump.round()
    eventually(lambda: office.status(hook) == "delivered")
    assert list(target.ids.values()) == [2], "the receiver knows it by one name"


def test_a_target_that_became_private_is_refused_at_the_call(office: Office):
    """R123: registered while its name was public."""
    hook = office.hook("http://10.0.0.1/")
    office.ping(hook)
    office.pump.round()
    assert office.pump.settled(60)
    assert office.last(hook).error.startswith("the URL leads to an address or a port")


def test_a_target_that_is_gone_is_disabled(office: Office, target: Target):
    target.reply = Reply(410)
    hook = office.hook(target.url())
    office.ping(hook)
    office.pump.round()
    eventually(lambda: office.room.get(hook).state == "disabled")


def test_retry_after_is_kept(office: Office, target: Target):
    target.reply = Reply(503, {"Retry-After": "6000"})
    hook = office.hook(target.url())
    office.ping(hook)
    office.pump.round()
    assert office.pump.settled(60)
    target.reply = Reply()
    office.store.advance(5_000)
    assert office.pump.round() == 0
    office.store.advance(1_100)
    assert office.pump.round() == 1


def test_slow_and_dead_targets_delay_nobody_else(
    stack: ExitStack, target: Target, monkeypatch: pytest.MonkeyPatch
):
    """Fault 50: targets that hang take half of the senders at most, and the others' messages go on."""
    monkeypatch.setattr(
        rules, "SLOW", timedelta(minutes=5)
    )  # a good target on a busy machine is no slow one
    office = Office(stack, seconds=300)
    open_again = threading.Event()
    stack.callback(open_again.set)
    good = office.hook(target.url())
    office.ping(good)
    office.pump.start()
    eventually(lambda: office.status(good) == "delivered")
    hanging = stack.enter_context(serving())
    hanging.reply = Reply(hold=open_again)
    slow = [office.hook(hanging.url(f"/{n}")) for n in range(4)]
    dead = office.hook(f"http://127.0.0.1:{ports.free()}/")
    for hook in (*slow, dead):
        office.ping(hook, 20)
    eventually(lambda: len(hanging.asked) >= 3)
    for n in range(10):
        office.ping(good)
        eventually(lambda n=n: len(target.asked) == n + 2)
    assert not open_again.is_set()
    assert len(hanging.asked) <= office.pump.senders // 2


def test_no_more_than_a_few_are_under_way_to_one_target(office: Office, stack: ExitStack):
    open_again = threading.Event()
    stack.callback(open_again.set)
    busy = stack.enter_context(serving())
    hook = office.hook(busy.url())
    office.ping(hook)
    office.pump.start()
    eventually(lambda: office.status(hook) == "delivered")
    busy.reply = Reply(hold=open_again)
    office.ping(hook, 20)
    eventually(lambda: len(busy.asked) == 1 + PER_TARGET)
    open_again.set()
    eventually(lambda: len(busy.asked) == 21)


def test_a_dead_target_is_asked_seldom_and_all_is_sent_when_it_is_back(
    office: Office, stack: ExitStack, target: Target
):
    """Fault 50: the circuit."""
    target.reply = Reply(500)
    hook = office.hook(target.url())
    office.ping(hook, 30)
    while office.pump.round():
        assert office.pump.settled(60)
    asked = len(target.asked)
    assert OPENS_AFTER <= asked < OPENS_AFTER + PER_TARGET
    target.reply = Reply()
    assert office.pump.round() == 0
    office.store.advance(3600)
    office.pump.start()
    eventually(lambda: len(target.ids) == 30)
    eventually(lambda: not office.room.deliveries(hook, None, "waiting", 1))


def test_a_pump_that_stops_lets_its_senders_end_and_claims_nothing_more(
    office: Office, stack: ExitStack, target: Target
):
    open_again = threading.Event()
    stack.callback(open_again.set)
    target.reply = Reply(hold=open_again)
    hook = office.hook(target.url())
    office.pump.start()
    office.ping(hook)
    eventually(lambda: target.asked)
    stopping = threading.Thread(target=office.pump.stop, args=[60])
    stopping.start()
    eventually(office.pump._stopping.is_set)
    open_again.set()
    stopping.join(130)
    assert office.status(hook) == "delivered"
    office.ping(hook)
    assert office.pump.round() == 0


def test_a_host_without_a_thread_of_its_own_is_served_in_rounds(office: Office, target: Target):
    hook = office.hook(target.url())
    office.ping(hook, 30)
    office.pump.run_for(120)
    eventually(lambda: len(target.ids) == 30)


def test_old_deliveries_are_forgotten_now_and_then(office: Office, target: Target):
    hook = office.hook(target.url())
    office.ping(hook)
    office.store.advance(31 * 24 * 3600)
    office.pump._pruned -= 601
    assert office.pump.round() == 0
    assert office.room.deliveries(hook, None, None, 5) == []
