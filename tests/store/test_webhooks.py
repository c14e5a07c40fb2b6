"""The mailroom's contract, held by memory and by PostgreSQL: what is written down, claimed, settled and kept."""

import threading
from datetime import UTC, datetime, timedelta
from functools import partial

import psycopg
import pytest

from core.tasks import Event
from core.webhooks.rules import (
    OPENS_AFTER,
    PER_TARGET,
    SCHEDULE,
    Attempt,
    DeliveryStatus,
    Parcel,
    State,
)
from infrastructure.database import sql
from tests.store.desk import at_once
from tests.store.mailing import BAD, GOOD, Post, drained, failing
from tests.store.sample_jobs import Line, Wide

# what is written down


def test_every_event_of_a_job_is_written_down_once_for_a_webhook_without_filters(post: Post):
    """R131: with the events, in the same transaction."""
    hook = post.hook()
    run = post.desk.submit(Wide(n=3))
    post.desk.work()
    told = [what.replace("_", ".", 1) for what in post.desk.whats(run.job_id)]
    assert post.kinds(hook) == told
    assert "job.started" in told
    assert told[-1] == "job.completed"
    assert [letter.event for letter in post.letters(hook)] == list(range(1, len(told) + 1))


def test_a_delivery_tells_what_happened_as_it_was_then(post: Post):
    post.hook(events=("job.completed", "job.started", "task.failed"))
    run = post.desk.submit(Line())
    post.desk.fail(post.desk.one())
    ended = post.desk.submit(Line(label="other"))
    post.desk.work()
    told = {(p.kind, p.told["job_id"]): p.told for p in drained(post)}
    assert told["job.started", run.job_id] == {
        "job_id": run.job_id,
        "job_type": run.job_type,
        "run": 1,
        "status": "processing",
        "event": 3,
    }
    failed = told["task.failed", run.job_id]
    assert (failed["stage"], failed["task_id"]) == (run.plan[0].name, f"{run.run}-0-0")
    assert failed["details"]["message"] == "the line was cut"
    assert told["job.completed", ended.job_id]["status"] == "completed"


@pytest.mark.parametrize(
    ("filters", "heard"),
    [
        ({"events": ("job.completed",)}, ["job.completed"]),
        ({"events": ("job.*",)}, ["job.submitted", "job.started", "job.completed"]),
        ({"events": ("gate.*", "job.failed")}, []),
        ({"events": ("job.completed",), "job_types": ("line",)}, ["job.completed"]),
        ({"job_types": ("wide",)}, []),
        ({"events": ("job.completed",), "prefix": "0123456789"}, []),
    ],
)
def test_filters_let_through_what_fits_all_of_them(post: Post, filters, heard):
    hook = post.hook(**filters)
    run = post.desk.submit(Line())
    by_prefix = post.hook(events=("job.completed",), prefix=run.job_id[:12])
    post.desk.work()
    assert post.kinds(hook) == heard
    assert post.kinds(by_prefix) == ["job.completed"]


def test_what_is_undone_is_not_told(post: Post):
    hook = post.hook()
    run = post.desk.submit(Line())
    before = post.kinds(hook)

    def half() -> None:
        with post.desk.store.turn(run.run) as turn:
            turn.record(Event("job_cancelled"))
            turn.open(99)  # there is no such stage

    with pytest.raises(IndexError):
        half()
    assert post.kinds(hook) == before


def test_a_disabled_webhook_hears_nothing_and_a_paused_one_hears_later(post: Post):
    paused, gone = post.hook(events=("job.completed",)), post.hook()
    post.room.set_state(paused, State.PAUSED, "bob")
    post.room.set_state(gone, State.DISABLED, "bob")
    post.desk.submit(Line())
    post.desk.work()
    assert (post.kinds(paused), post.kinds(gone)) == (["job.completed"], [])
    assert post.claim() == []
    post.room.set_state(paused, State.ACTIVE, "bob")
    assert post.one().kind == "job.completed"


def test_an_event_whose_transaction_commits_late_is_not_missed(postgres_post: Post):
    """The visibility gap: others that began later are told before, and nobody's position runs past it."""
    post, committing, written = postgres_post, threading.Event(), threading.Event()
    hook = post.hook(events=("gate.approved",))
    late, early = post.desk.submit(Line(label="late")), post.desk.submit(Line(label="early"))

    def slowly() -> None:
        with post.desk.store.turn(late.run) as turn:
            turn.record(Event("gate_approved"))
            turn.write_events()
            turn._events.clear()
            written.set()
            assert committing.wait(120)

    thread = threading.Thread(target=slowly)
    thread.start()
    assert written.wait(120)
    with post.desk.store.turn(early.run) as turn:
        turn.record(Event("gate_approved"))
    first = drained(post)
    committing.set()
    thread.join(120)
    second = drained(post)
    assert [p.told["job_id"] for p in first] == [early.job_id]
    assert [p.told["job_id"] for p in second] == [late.job_id]
    assert second[0].delivery < first[0].delivery, "it was numbered before, and seen after"
    assert len(post.letters(hook)) == 2


def test_an_event_waits_for_no_courier(postgres_post: Post):
    """Whoever claims holds the webhook's row; events are written past it."""
    post = postgres_post
    post.hook()
    post.desk.submit(Line(label="first"))
    with psycopg.connect(post.desk.pool.dsn) as courier:
        courier.execute("select from app.webhooks for no key update")
        courier.execute("update app.deliveries set status = 'sending'")
        post.desk.conn.execute("set lock_timeout = '2s'")
        assert post.desk.submit(Line(label="second")).run
        assert post.claim() == []


def test_without_webhooks_an_event_costs_no_statement_more(postgres_post: Post, monkeypatch):
    post, names = postgres_post, []
    from infrastructure import writing  # noqa: PLC0415 - to see which statements it asks for

    monkeypatch.setattr(writing, "sql", lambda name: names.append(name) or sql(name))
    post.desk.submit(Line(label="before"))
    assert "webhooks/add_deliveries" not in names
    post.hook()
    post.desk.submit(Line(label="after"))
    assert "webhooks/add_deliveries" in names


# claiming and settling


def test_a_delivery_is_claimed_once_and_is_done_when_it_is_delivered(post: Post):
    hook = post.hook(events=("job.submitted",))
    post.desk.submit(Line())
    parcel = post.one()
    assert post.claim() == []
    assert post.settle(parcel, GOOD)
    assert post.claim() == []
    (letter,) = post.letters(hook)
    assert (letter.status, letter.attempts, letter.status_code) == ("delivered", 1, 200)
    assert letter.ended_at is not None
    (attempt,) = post.room.attempts(letter.id)
    assert (attempt.attempt, attempt.status_code, attempt.answer) == (1, 200, "thanks")
    assert attempt.milliseconds == 20


def test_a_failed_attempt_is_tried_again_on_the_schedule_and_in_the_end_given_up(post: Post):
    hook = post.hook(events=("job.submitted",))
    post.desk.submit(Line())
    messages = set()
    for n, wait in enumerate([*SCHEDULE, None]):
        parcel = post.one()
        messages.add(parcel.message_id)
        assert parcel.attempt == n + 1
        before = datetime.now(UTC)
        assert post.settle(parcel, BAD)
        if n:
            assert post.claim() == []
        else:  # it waits for seconds only, which may be over
            assert post.letters(hook)[0].next_at >= before + 0.9 * wait
        if wait is not None:
            post.advance(wait * 1.2 + timedelta(hours=1))
    (letter,) = post.letters(hook)
    assert (letter.status, letter.attempts, letter.next_at) == ("failed", len(SCHEDULE) + 1, None)
    assert len(messages) == 1, "a receiver knows it by one name"
    assert len(post.room.attempts(letter.id)) == len(SCHEDULE) + 1


def test_a_sender_that_died_is_followed_by_another_and_comes_too_late(post: Post):
    """The attempt is the fence, as it is for tasks."""
    hook = post.hook(events=("job.submitted",))
    post.desk.submit(Line())
    dead = post.one()
    post.advance(timedelta(seconds=61))
    heir = post.one()
    assert (heir.delivery, heir.attempt) == (dead.delivery, 2)
    assert heir.message_id == dead.message_id
    assert not post.settle(dead, BAD)
    assert post.settle(heir, GOOD)
    assert not post.settle(dead, BAD)
    assert post.letters(hook)[0].status == "delivered"
    assert [a.attempt for a in post.room.attempts(heir.delivery)] == [2]


def at_once_claimed(post: Post) -> list[Parcel]:
    """What twelve pumps get that claim together."""
    got: list[Parcel] = []
    at_once(*(partial(lambda: got.extend(post.claim(3))) for _ in range(12)))
    return got


def test_two_pumps_never_have_the_same_delivery(postgres_post: Post):
    post = postgres_post
    for n in range(4):
        post.hook(f"https://{n}.example.com/", events=("job.submitted",))
    for n in range(8):
        post.desk.submit(Line(label=str(n)))
    got = at_once_claimed(post)
    assert got
    assert len({p.delivery for p in got}) == len(got)


def test_a_pump_passes_by_a_target_from_which_another_is_just_claiming(postgres_post: Post):
    """What that one takes cannot be counted before it has committed."""
    post = postgres_post
    post.hook(events=("job.submitted",))
    for n in range(2 * PER_TARGET):
        post.desk.submit(Line(label=str(n)))
    values = {"limit": 1, "doubtful": 1, "lease": 60, "per_target": PER_TARGET, "opens_after": 5}
    with psycopg.connect(post.desk.pool.dsn) as other:
        ready = [row[0] for row in other.execute(sql("webhooks/hold_ready")).fetchall()]
        claim = sql("webhooks/claim_deliveries")
        (first,) = other.execute(claim, {**values, "webhooks": ready}).fetchall()
        assert post.claim() == []
    claimed = post.claim()
    assert len(claimed) == PER_TARGET - 1
    assert first[0] not in {parcel.delivery for parcel in claimed}


def test_no_more_than_a_few_are_under_way_to_one_target_whatever_the_number_of_pumps(
    postgres_post: Post,
):
    """The count is taken after the lock, in a statement of its own."""
    post = postgres_post
    hook = post.hook(events=("job.submitted",))
    for n in range(40):
        post.desk.submit(Line(label=str(n)))
    for _ in range(10):
        got = at_once_claimed(post)
        assert len(post.letters(hook, DeliveryStatus.SENDING)) <= PER_TARGET
        for parcel in got[:2]:
            post.settle(parcel, GOOD)


def test_a_target_with_much_to_hear_leaves_room_for_the_others(post: Post):
    """Fault 50: every target gets one before any gets a second."""
    loud, quiet = post.hook(), post.hook(events=("job.completed",))
    post.desk.submit(Wide(n=3))
    post.desk.work()
    assert {p.webhook for p in post.claim(2)} == {loud, quiet}


def test_doubtful_targets_get_a_part_of_the_senders(post: Post):
    """Fault 50: those that fail, are slow or not proven yet cannot take the others' senders."""
    slow, good = post.hook(events=("job.submitted",)), post.hook(events=("job.submitted",))
    post.desk.submit(Line(label="first"))
    for parcel in post.claim():
        took = timedelta(seconds=9) if parcel.webhook == slow else timedelta(milliseconds=9)
        assert parcel.doubtful
        post.settle(parcel, Attempt(took, 200))
    for n in range(3):
        post.desk.submit(Line(label=str(n)))
    claimed = [(p.webhook, p.doubtful) for p in post.claim(4, doubtful=1)]
    assert sorted(claimed, key=lambda one: one[1]) == [(good, False)] * 3 + [(slow, True)]
    assert post.claim(4, doubtful=0) == []


# the circuit


def test_a_circuit_opens_after_failures_in_a_row_and_one_delivery_tries_it_later(post: Post):
    hook = failing(post, OPENS_AFTER)
    view = post.room.get(hook)
    assert view is not None
    assert view.circuit_open
    assert view.rests_until is not None
    assert post.claim() == []
    post.advance(timedelta(seconds=31))
    probe = post.one()
    assert post.claim() == [], "the probe goes alone"
    post.settle(probe, BAD)
    post.advance(timedelta(seconds=31))
    assert post.claim() == [], "the rest doubles"
    post.advance(timedelta(seconds=31))
    post.settle(post.one(), GOOD)
    assert len(post.claim()) == PER_TARGET, "the circuit is closed"
    assert post.room.get(hook).failures == 0


def test_a_failure_between_successes_opens_nothing(post: Post):
    hook = failing(post, OPENS_AFTER - 1)
    post.settle(post.one(), GOOD)
    post.settle(post.one(), BAD)
    assert post.room.get(hook).failures == 1
    assert post.claim() != []


def test_what_a_target_asks_for_by_retry_after_is_given_to_it(post: Post):
    hook = post.hook(events=("job.submitted",))
    for n in range(2):
        post.desk.submit(Line(label=str(n)))
    asked = Attempt(timedelta(0), 429, retry_after=timedelta(minutes=10))
    post.settle(post.one(), asked)
    post.advance(timedelta(minutes=9))
    assert post.claim() == [], "nor is it asked for another delivery"
    post.advance(timedelta(minutes=2))
    assert len(post.claim()) == 2
    assert not post.room.get(hook).circuit_open


def test_a_target_that_is_gone_is_left_alone_until_someone_resumes_it(post: Post):
    hook = post.hook(events=("job.submitted",))
    for n in range(2):
        post.desk.submit(Line(label=str(n)))
    post.settle(post.one(), Attempt(timedelta(0), 410))
    view = post.room.get(hook)
    assert (view.state, view.reason) == ("disabled", "the target answered 410: it is gone")
    assert post.claim() == []
    post.desk.submit(Line(label="unheard"))
    assert post.room.set_state(hook, State.ACTIVE, "bob").reason is None
    assert len(post.claim()) == 2
