"""The Service Bus adapter on the real SDK, against the emulator."""

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from azure.servicebus import ServiceBusClient
from azure.servicebus.amqp import AmqpAnnotatedMessage

from core.errors import ServiceUnavailable, TooLarge
from infrastructure.service_bus.bus import Delivery, Message, ServiceBus
from tests.support.service_bus import SDK_LEAVES_SOCKETS, Emulator, service_bus_emulator, several

pytestmark = pytest.mark.filterwarnings(SDK_LEAVES_SOCKETS)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with service_bus_emulator(seed=11) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def bus(emulator: Emulator) -> Iterator[ServiceBus]:
    bus = ServiceBus(emulator.connection_string)
    yield bus
    bus.close()


@pytest.fixture
def queue() -> str:
    return f"tasks-{uuid.uuid4().hex[:8]}"


SOON = 30
"""Seconds; what comes at all has come long before, also on a busy machine."""


def numbered(queue: str, count: int) -> list[Message]:
    return [Message(queue, f"body {n}".encode(), f"id-{n}") for n in range(count)]


def one(bus: ServiceBus, queue: str) -> Delivery:
    [delivery] = bus.receive(queue, 1, wait=SOON)
    return delivery


def some(bus: ServiceBus, queue: str, count: int) -> list[Delivery]:
    return several(lambda missing: bus.receive(queue, missing, wait=SOON), count)


def drain(bus: ServiceBus, queue: str, count: int) -> list[str]:
    """Receive and complete so many messages, and whatever comes beyond them."""
    ids: list[str] = []
    while deliveries := bus.receive(queue, 100, wait=1 if len(ids) >= count else SOON):
        bus.complete(deliveries)
        ids += [delivery.message_id for delivery in deliveries]
    return ids


# ---- sending ----


def test_what_is_sent_is_received_and_gone_when_completed(
    emulator: Emulator, bus: ServiceBus, queue: str
) -> None:
    bus.send([Message(queue, b"\x00 any bytes \xff", "m1")])

    delivery = one(bus, queue)
    bus.complete([delivery])

    assert (delivery.queue, delivery.body) == (queue, b"\x00 any bytes \xff")
    assert (delivery.message_id, delivery.count) == ("m1", 1)
    assert emulator.counts(queue).active == emulator.counts(queue).locked == 0


def test_ten_thousand_messages_travel_in_batches_that_fit(
    emulator: Emulator, bus: ServiceBus, queue: str
) -> None:
    body = b"x" * 200
    bus.send([Message(queue, body, str(n)) for n in range(10_000)])

    assert emulator.counts(queue).active == 10_000


def test_messages_to_several_queues_keep_their_order(bus: ServiceBus, queue: str) -> None:
    other = f"{queue}-other"
    bus.send([Message(q, b"", f"{n}") for n in range(30) for q in (queue, other)])

    assert drain(bus, queue, 30) == drain(bus, other, 30) == [str(n) for n in range(30)]


def test_one_message_too_large_is_named_and_nothing_is_sent(
    emulator: Emulator, bus: ServiceBus, queue: str
) -> None:
    """Fault 29."""
    with pytest.raises(TooLarge, match="'giant'"):
        bus.send([*numbered(queue, 3), Message(queue, b"x" * 300_000, "giant")])

    assert emulator.counts(queue).active == 0


def test_a_queue_with_a_lower_limit_refuses_what_the_client_thought_would_fit(queue: str) -> None:
    with service_bus_emulator(max_message_kb=64) as emulator:
        bus = ServiceBus(emulator.connection_string)
        with pytest.raises(TooLarge, match=queue):
            bus.send([Message(queue, b"x" * 100_000, "m")])
        bus.close()


def test_a_message_may_fill_a_batch_alone(bus: ServiceBus, queue: str) -> None:
    bus.send([Message(queue, b"x" * 200_000, str(n)) for n in range(3)])

    assert drain(bus, queue, 3) == ["0", "1", "2"]


def test_a_message_arrives_when_it_is_due(emulator: Emulator, bus: ServiceBus, queue: str) -> None:
    bus.send([Message(queue, b"", "now")])
    bus.send([Message(queue, b"", "later", due=datetime.now(UTC) + timedelta(minutes=10))])
    emulator.pass_time(queue, 9 * 60)
    assert (emulator.counts(queue).active, emulator.counts(queue).scheduled) == (1, 1)

    emulator.pass_time(queue, 60)
    assert (emulator.counts(queue).active, emulator.counts(queue).scheduled) == (2, 0)


def test_sending_nothing_does_nothing(bus: ServiceBus) -> None:
    bus.send([])


# ---- receiving and settling ----


def test_no_more_is_received_than_asked_for(
    emulator: Emulator, bus: ServiceBus, queue: str
) -> None:
    bus.send(numbered(queue, 10))

    assert len(some(bus, queue, 4)) == 4
    assert emulator.counts(queue).active == 6


def test_an_empty_queue_gives_nothing_after_the_wait(bus: ServiceBus, queue: str) -> None:
    bus.receive(queue, 1, wait=0.1)

    began = time.monotonic()
    assert bus.receive(queue, 1, wait=0.6) == []
    assert 0.5 < time.monotonic() - began < SOON


def test_an_abandoned_message_comes_again_with_the_next_count(bus: ServiceBus, queue: str) -> None:
    bus.send(numbered(queue, 1))
    bus.abandon([one(bus, queue)])

    assert one(bus, queue).count == 2


def test_settling_after_the_lock_ran_out_is_no_error_and_the_message_comes_again(
    emulator: Emulator, bus: ServiceBus, queue: str
) -> None:
    """Fault 26."""
    bus.send(numbered(queue, 2))
    deliveries = some(bus, queue, 2)
    emulator.expire_locks(queue)

    bus.complete(deliveries)
    bus.dead_letter(deliveries[0], "late", "")

    assert [again.count for again in some(bus, queue, 2)] == [2, 2]


def test_settling_twice_is_no_error(bus: ServiceBus, queue: str) -> None:
    bus.send(numbered(queue, 1))
    delivery = one(bus, queue)

    bus.complete([delivery])
    bus.complete([delivery])


def test_a_delivery_can_be_settled_over_a_new_connection(
    emulator: Emulator, bus: ServiceBus, queue: str
) -> None:
    bus.send(numbered(queue, 2))
    deliveries = some(bus, queue, 2)
    emulator.disconnect()

    bus.complete(deliveries)

    assert emulator.counts(queue).locked == 0


def test_settling_waits_its_turn_but_no_longer_while_a_receiver_listens(
    bus: ServiceBus, queue: str
) -> None:
    bus.send(numbered(queue, 4))
    deliveries = some(bus, queue, 4)
    waits = []
    with ThreadPoolExecutor(1) as pool:
        listening = pool.submit(bus.receive, queue, 1, 2 * SOON)
        for delivery in deliveries:
            began = time.monotonic()
            bus.complete([delivery])
            waits.append(time.monotonic() - began)
        assert not listening.done()
        bus.send(numbered(queue, 1))  # so that nobody listens to the end

    assert max(waits) < SOON / 3


def test_messages_taken_without_a_lock_need_no_settling(
    emulator: Emulator, bus: ServiceBus, queue: str
) -> None:
    bus.send(numbered(queue, 5))

    taken = several(lambda missing: bus.receive_and_forget(queue, missing, wait=SOON), 5)

    assert [delivery.message_id for delivery in taken] == [f"id-{n}" for n in range(5)]
    counts = emulator.counts(queue)
    assert (counts.active, counts.locked) == (0, 0)


def test_a_body_that_is_not_bytes_is_received_as_text(
    emulator: Emulator, bus: ServiceBus, queue: str
) -> None:
    """Fault 29: another program may send what it likes."""
    with (
        ServiceBusClient.from_connection_string(emulator.connection_string) as client,
        client.get_queue_sender(queue) as sender,
    ):
        sender.send_messages(AmqpAnnotatedMessage(value_body={"not": "bytes"}))

    assert b"bytes" in one(bus, queue).body


# ---- dead letters ----


def test_a_dead_letter_says_why(emulator: Emulator, bus: ServiceBus, queue: str) -> None:
    bus.send(numbered(queue, 1))
    bus.dead_letter(one(bus, queue), "bad_message", "not JSON" * 1000)

    [letter] = bus.dead_letters(queue, 10)

    assert (letter.queue, letter.body, letter.message_id) == (queue, b"body 0", "id-0")
    assert (letter.reason, letter.count) == ("bad_message", 1)
    assert letter.detail.startswith("not JSON")
    assert letter.enqueued_at is not None
    assert emulator.counts(queue).dead_letter == 1


def test_a_message_that_fails_too_often_is_a_dead_letter(
    emulator: Emulator, bus: ServiceBus, queue: str
) -> None:
    """Fault 27."""
    emulator.configure(queue, max_delivery=3)
    bus.send(numbered(queue, 1))
    for _ in range(3):
        bus.abandon([one(bus, queue)])

    [letter] = bus.dead_letters(queue, 10)

    assert (letter.reason, letter.count) == ("MaxDeliveryCountExceeded", 3)


def test_dead_letters_can_be_looked_at_again_and_are_gone_when_taken(
    bus: ServiceBus, queue: str
) -> None:
    bus.send(numbered(queue, 3))
    for delivery in some(bus, queue, 3):
        bus.dead_letter(delivery, "bad", "")

    ids = ["id-0", "id-1", "id-2"]
    assert [letter.message_id for letter in bus.dead_letters(queue, 2)] == ids[:2]
    assert [letter.message_id for letter in bus.dead_letters(queue, 9)] == ids
    taken = several(lambda _: bus.take_dead_letters(queue, 9, wait=SOON), 3)
    assert [letter.message_id for letter in taken] == ids
    assert bus.dead_letters(queue, 9) == []


# ---- when the service fails ----


@pytest.mark.parametrize("refusal", ["busy", "quota", "disconnect"])
def test_refused_sends_are_unavailability_until_the_service_recovers(
    emulator: Emulator, bus: ServiceBus, queue: str, refusal: str
) -> None:
    """Fault 28."""
    emulator.faults(queue, refuse=refusal)
    for _ in range(2):
        with pytest.raises(ServiceUnavailable):
            bus.send(numbered(queue, 1))
    emulator.faults(queue)
    bus.send(numbered(queue, 1))

    assert emulator.counts(queue).active == 1


def test_links_that_died_while_idle_are_replaced_without_an_error(
    emulator: Emulator, bus: ServiceBus, queue: str
) -> None:
    bus.send(numbered(queue, 1))
    bus.complete([one(bus, queue)])
    emulator.disconnect()

    bus.send(numbered(queue, 1))
    assert one(bus, queue).message_id == "id-0"


def test_a_send_that_raised_may_have_arrived(
    emulator: Emulator, bus: ServiceBus, queue: str
) -> None:
    emulator.faults(queue, cut=1)
    with pytest.raises(ServiceUnavailable):
        bus.send(numbered(queue, 1))

    assert emulator.counts(queue).active >= 1


def test_everything_works_again_after_the_service_was_down(queue: str) -> None:
    """Fault 28."""
    with service_bus_emulator() as emulator:
        bus = ServiceBus(emulator.connection_string)
        bus.send(numbered(queue, 1))
        bus.complete([one(bus, queue)])
        emulator.kill()
        with pytest.raises(ServiceUnavailable):
            bus.send(numbered(queue, 1))
        with pytest.raises(ServiceUnavailable):
            bus.receive(queue, 1, wait=1)
        emulator.start()

        bus.send(numbered(queue, 3))
        assert len(drain(bus, queue, 3)) == 3
        bus.close()


def test_a_service_that_was_never_there_is_unavailable() -> None:
    bus = ServiceBus(
        "Endpoint=sb://127.0.0.1:9;SharedAccessKeyName=a;SharedAccessKey=b;"
        "UseDevelopmentEmulator=true;"
    )

    with pytest.raises(ServiceUnavailable, match="'jobs'"):
        bus.send([Message("jobs", b"", "1")])
    with pytest.raises(ServiceUnavailable, match="'jobs'"):
        bus.receive("jobs", 1, wait=1)
    bus.close()


def test_the_depth_is_unknown_where_there_is_no_management_api(bus: ServiceBus, queue: str) -> None:
    assert bus.depth(queue) is None


# ---- threads ----


def test_thirty_two_threads_share_it(emulator: Emulator, bus: ServiceBus, queue: str) -> None:
    """Fault 54."""

    expected = {f"{t}-{n}-{m}" for t in range(32) for n in range(5) for m in range(4)}
    received: list[str] = []
    end = time.monotonic() + 4 * SOON

    def work(thread: int) -> None:
        for n in range(5):
            bus.send([Message(queue, b"", f"{thread}-{n}-{m}") for m in range(4)])
        # Nobody leaves before the last: what was sent to its link would wait there for somebody to ask.
        while not expected.issubset(received) and time.monotonic() < end:
            deliveries = bus.receive(queue, 20, wait=1)
            bus.complete(deliveries)
            received.extend(delivery.message_id for delivery in deliveries)

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(work, range(32)))

    assert set(received) == expected
    assert emulator.counts(queue).active == emulator.counts(queue).locked == 0


def test_one_link_each_way_serves_threads_that_take_turns(queue: str) -> None:
    with service_bus_emulator() as emulator:
        bus = ServiceBus(emulator.connection_string)
        for _ in range(4):
            with ThreadPoolExecutor(1) as thread:
                thread.submit(bus.send, numbered(queue, 1)).result()
                bus.complete(thread.submit(bus.receive, queue, 1, SOON).result())

        assert emulator.connections() == 2
        bus.close()
