"""The emulator answers the real azure-servicebus client as the cloud does."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.servicebus import (
    AutoLockRenewer,
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusReceivedMessage,
    ServiceBusReceiver,
    ServiceBusSender,
    ServiceBusSubQueue,
)
from azure.servicebus.exceptions import (
    MessageLockLostError,
    MessageSizeExceededError,
    ServiceBusConnectionError,
    ServiceBusQuotaExceededError,
    ServiceBusServerBusyError,
)

from tests.support.service_bus import SDK_LEAVES_SOCKETS, Emulator, service_bus_emulator, several
from tests.support.waiting import eventually

pytestmark = pytest.mark.filterwarnings(SDK_LEAVES_SOCKETS)


class Office:
    """Opens senders and receivers. Closing one takes up to a second, so all are closed at once, at the end."""

    def __init__(self, bus: Emulator) -> None:
        self._client = ServiceBusClient.from_connection_string(bus.connection_string, retry_total=0)
        self._open: list[ServiceBusSender | ServiceBusReceiver] = []

    def sender(self, queue: str) -> ServiceBusSender:
        self._open.append(sender := self._client.get_queue_sender(queue))
        return sender

    def receiver(self, queue: str, **options: Any) -> ServiceBusReceiver:
        self._open.append(receiver := self._client.get_queue_receiver(queue, **options))
        return receiver

    def dead_letters(self, queue: str) -> ServiceBusReceiver:
        return self.receiver(queue, sub_queue=ServiceBusSubQueue.DEAD_LETTER)

    def close(self) -> None:
        with ThreadPoolExecutor(32) as pool:
            list(pool.map(lambda handler: handler.close(), self._open))
        self._client.close()


@pytest.fixture(scope="module")
def bus() -> Iterator[Emulator]:
    with service_bus_emulator(seed=7) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def office(bus: Emulator) -> Iterator[Office]:
    office = Office(bus)
    yield office
    office.close()


@pytest.fixture
def queue() -> str:
    return f"queue-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def sender(office: Office, queue: str) -> ServiceBusSender:
    return office.sender(queue)


@pytest.fixture
def receiver(office: Office, queue: str) -> ServiceBusReceiver:
    return office.receiver(queue)


def one(receiver: ServiceBusReceiver) -> ServiceBusReceivedMessage:
    [message] = receiver.receive_messages(1, max_wait_time=30)
    return message


def some(receiver: ServiceBusReceiver, count: int) -> list[ServiceBusReceivedMessage]:
    return several(lambda missing: receiver.receive_messages(missing, max_wait_time=30), count)


def bodies(messages: list[ServiceBusReceivedMessage]) -> list[str]:
    return [str(message) for message in messages]


def numbered(count: int) -> list[ServiceBusMessage]:
    return [ServiceBusMessage(str(number)) for number in range(count)]


def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


# ---- sending and settling ----


def test_a_message_arrives_with_its_properties(
    sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    sender.send_messages(
        ServiceBusMessage(b"body", message_id="m1", subject="task", application_properties={"n": 1})
    )

    message = one(receiver)

    assert (str(message), message.message_id, message.subject) == ("body", "m1", "task")
    assert message.application_properties == {b"n": 1}
    assert message.delivery_count == 0
    assert message.enqueued_time_utc is not None
    assert message.locked_until_utc is not None
    assert message.enqueued_time_utc < message.locked_until_utc


def test_a_completed_message_is_gone(
    bus: Emulator, queue: str, sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    sender.send_messages(numbered(1))
    message = one(receiver)
    assert bus.counts(queue).locked == 1

    receiver.complete_message(message)

    counts = bus.counts(queue)
    assert (counts.active, counts.locked, counts.dead_letter) == (0, 0, 0)


def test_batches_and_lists_arrive_in_order(
    sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    batch = sender.create_message_batch()
    for message in numbered(100):
        batch.add_message(message)
    sender.send_messages(batch)
    sender.send_messages(numbered(50))

    got = bodies(some(receiver, 150))

    assert got == [str(n) for n in range(100)] + [str(n) for n in range(50)]


def test_two_receivers_share_a_queue(
    office: Office, queue: str, sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    sender.send_messages(numbered(20))

    mine = bodies(some(receiver, 10))
    theirs = bodies(some(office.receiver(queue), 10))

    assert sorted(map(int, mine + theirs)) == list(range(20))


def test_an_abandoned_message_comes_again_and_counts(
    sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    sender.send_messages(numbered(1))
    counts = []
    for _ in range(3):
        message = one(receiver)
        counts.append(message.delivery_count)
        receiver.abandon_message(message)

    assert counts == [0, 1, 2]


def test_a_message_delivered_too_often_becomes_a_dead_letter(
    bus: Emulator,
    office: Office,
    queue: str,
    sender: ServiceBusSender,
    receiver: ServiceBusReceiver,
) -> None:
    """Fault 27."""
    bus.configure(queue, max_delivery=2)
    sender.send_messages(numbered(1))
    for _ in range(2):
        receiver.abandon_message(one(receiver))

    assert bus.counts(queue).dead_letter == 1
    dead = one(office.dead_letters(queue))
    assert dead.dead_letter_reason == "MaxDeliveryCountExceeded"


def test_a_dead_letter_keeps_its_reason_and_properties(
    office: Office, queue: str, sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    sender.send_messages(ServiceBusMessage("x", application_properties={"n": 1}))
    receiver.dead_letter_message(one(receiver), reason="bad", error_description="not JSON")

    letters = office.dead_letters(queue)
    [peeked] = letters.peek_messages()
    assert (peeked.dead_letter_reason, peeked.dead_letter_error_description) == ("bad", "not JSON")
    message = one(letters)
    assert message.application_properties is not None
    assert message.application_properties[b"n"] == 1
    letters.complete_message(message)
    assert letters.peek_messages() == []


def test_receive_and_delete_needs_no_settling(
    bus: Emulator, office: Office, queue: str, sender: ServiceBusSender
) -> None:
    sender.send_messages(numbered(3))

    receiver = office.receiver(queue, receive_mode="receiveanddelete")

    assert bodies(some(receiver, 3)) == ["0", "1", "2"]
    assert bus.counts(queue).locked == 0


def test_prefetching_receivers_get_everything_once(
    bus: Emulator, office: Office, queue: str, sender: ServiceBusSender
) -> None:
    sender.send_messages(numbered(200))
    got = []
    receiver = office.receiver(queue, prefetch_count=50, max_wait_time=60)
    for message in receiver:
        receiver.complete_message(message)
        got.append(str(message))
        if len(got) == 200:
            break

    assert got == [str(n) for n in range(200)]
    assert (bus.counts(queue).active, bus.counts(queue).locked) == (0, 0)


# ---- locks ----


def test_renewing_extends_a_lock(
    bus: Emulator, queue: str, sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    bus.configure(queue, lock_seconds=30)
    sender.send_messages(numbered(1))
    message = one(receiver)
    before = message.locked_until_utc
    bus.configure(queue, lock_seconds=90)

    after = receiver.renew_message_lock(message)

    assert before is not None
    assert after - before > timedelta(seconds=40)
    assert message.locked_until_utc == after


def test_a_renewer_keeps_a_message_beyond_its_lock(
    bus: Emulator, queue: str, sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    bus.configure(queue, lock_seconds=15)
    sender.send_messages(numbered(1))
    with AutoLockRenewer() as renewer:
        message = one(receiver)
        first = message.locked_until_utc
        assert first is not None
        bus.configure(queue, lock_seconds=90)
        renewer.register(receiver, message)
        eventually(lambda: message.locked_until_utc != first)
        bus.pass_time(queue, 15)
        receiver.complete_message(message)

    assert (bus.counts(queue).active, bus.counts(queue).locked) == (0, 0)


def test_a_message_whose_lock_ran_out_cannot_be_settled_and_comes_again(
    bus: Emulator, queue: str, sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    """Fault 26."""
    bus.configure(queue, lock_seconds=0.5)
    sender.send_messages(numbered(1))
    message = one(receiver)
    eventually(lambda: bus.counts(queue).active == 1)

    with pytest.raises(MessageLockLostError):
        receiver.complete_message(message)
    assert one(receiver).delivery_count == 1


def test_the_broker_refuses_a_lock_it_took_away(
    bus: Emulator, queue: str, sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    """Fault 26."""
    sender.send_messages(numbered(2))
    first, second = some(receiver, 2)
    bus.expire_locks(queue)

    with pytest.raises(MessageLockLostError):
        receiver.complete_message(first)
    with pytest.raises(MessageLockLostError):
        receiver.renew_message_lock(second)
    assert bus.counts(queue).active == 2


# ---- time ----


def test_scheduled_messages_wait_for_their_time(
    bus: Emulator, queue: str, sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    sender.send_messages(ServiceBusMessage("sent", scheduled_enqueue_time_utc=soon(600)))
    kept, cancelled = sender.schedule_messages(numbered(2), soon(600))
    sender.cancel_scheduled_messages(cancelled)
    bus.pass_time(queue, 540)
    assert (bus.counts(queue).active, bus.counts(queue).scheduled) == (0, 2)

    bus.pass_time(queue, 58)
    eventually(lambda: bus.counts(queue).active == 2)

    got = some(receiver, 2)
    assert bodies(got) == ["sent", "0"]
    assert got[1].sequence_number == kept


def test_an_expired_message_is_never_delivered(
    bus: Emulator, sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    sender.send_messages(ServiceBusMessage("old", time_to_live=timedelta(milliseconds=100)))
    eventually(lambda: receiver.peek_messages() == [])
    sender.send_messages(ServiceBusMessage("new"))

    assert str(one(receiver)) == "new"


def test_peeking_takes_nothing_and_moves_on(
    bus: Emulator, queue: str, sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    sender.send_messages(numbered(5))

    assert bodies(receiver.peek_messages(3)) == ["0", "1", "2"]
    assert bodies(receiver.peek_messages(3)) == ["3", "4"]
    assert bodies(receiver.peek_messages(1, sequence_number=2)) == ["1"]
    assert bus.counts(queue).active == 5


# ---- size ----


def test_a_large_message_travels_in_several_frames(
    sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    body = bytes(range(256)) * 800
    sender.send_messages(ServiceBusMessage(body))

    assert b"".join(one(receiver).body) == body


def test_a_message_over_the_limit_is_refused(sender: ServiceBusSender) -> None:
    with pytest.raises(MessageSizeExceededError):
        sender.send_messages(ServiceBusMessage(b"x" * 300_000))


# ---- faults ----


def test_some_messages_are_lost_and_some_come_twice() -> None:
    """Faults 23 and 24."""
    with service_bus_emulator(seed=7) as bus:  # its dice fall as they always do
        office = Office(bus)
        sender = office.sender("q")
        bus.faults(lose=0.05)
        sender.send_messages(numbered(1000))
        lossy = bus.counts("q").active
        bus.faults(duplicate=0.2)
        sender.send_messages(numbered(1000))
        doubled = bus.counts("q").active - lossy
        office.close()

    assert 920 < lossy < 980
    assert 1150 < doubled < 1250


def test_messages_overtake_each_other(
    bus: Emulator, queue: str, sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    """Fault 25."""
    bus.faults(queue, shuffle=20)
    sender.send_messages(numbered(50))

    got = [int(body) for body in bodies(some(receiver, 50))]

    assert got != sorted(got)
    assert sorted(got) == list(range(50))


def test_messages_come_late(bus: Emulator, queue: str, sender: ServiceBusSender) -> None:
    """Fault 25."""
    bus.faults(queue, delay=1, delay_seconds=600)
    sender.send_messages(numbered(50))
    bus.pass_time(queue, 300)
    assert 0 < bus.counts(queue).active < 50

    bus.pass_time(queue, 300)
    assert bus.counts(queue).active == 50


def test_a_busy_or_full_queue_refuses_until_told_otherwise(
    bus: Emulator, queue: str, sender: ServiceBusSender
) -> None:
    """Fault 28."""
    for refusal, error in (
        ("busy", ServiceBusServerBusyError),
        ("quota", ServiceBusQuotaExceededError),
        ("disconnect", ServiceBusConnectionError),
    ):
        bus.faults(queue, refuse=refusal)
        with pytest.raises(error):
            sender.send_messages(numbered(1))
    bus.faults(queue)
    sender.send_messages(numbered(1))

    assert bus.counts(queue).active == 1


def test_a_send_may_succeed_although_its_sender_never_hears(
    bus: Emulator, queue: str, sender: ServiceBusSender
) -> None:
    bus.faults(queue, cut=1)
    with pytest.raises(ServiceBusConnectionError):
        sender.send_messages(numbered(1))

    assert bus.counts(queue).active == 1


def test_a_fault_of_every_queue_leaves_with_it(
    bus: Emulator, queue: str, sender: ServiceBusSender
) -> None:
    bus.faults(lose=1)
    sender.send_messages(numbered(3))
    bus.faults()
    sender.send_messages(numbered(2))

    assert bus.counts(queue).active == 2


def test_the_same_seed_loses_the_same_messages() -> None:
    def survivors(_: int) -> list[str]:
        with service_bus_emulator(seed=3) as bus:
            bus.faults(lose=0.5)
            office = Office(bus)
            office.sender("q").send_messages(numbered(40))
            got = bodies(office.receiver("q").peek_messages(40))
            office.close()
        return got

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(survivors, range(2))

    assert first == second
    assert 0 < len(first) < 40
