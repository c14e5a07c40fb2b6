"""Webhooks as pure rules: signatures, schedules, circuits, and what follows from an answer."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import standardwebhooks

from core.webhooks.rules import (
    KINDS,
    LONGEST_REST,
    LONGEST_WAIT,
    OPENS_AFTER,
    SCHEDULE,
    Attempt,
    Circuit,
    Delivered,
    Disable,
    GiveUp,
    Parcel,
    TryAgain,
    Wish,
    consequence,
    kind_of,
    new_secret,
    readable,
    retry_after,
    unknown_kinds,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUICK = timedelta(milliseconds=5)


def parcel(*secrets: str, now: datetime | None = None) -> Parcel:
    return Parcel(
        7,
        1,
        1,
        uuid4(),
        "https://hooks.example.com/",
        UUID(int=9),
        "job.completed",
        NOW,
        {"job_id": "ab" * 32, "job_type": "hello", "run": 1, "status": "completed", "event": 9},
        now or datetime.now(UTC),
        secrets,
    )


def test_an_independent_reader_of_the_standard_verifies_what_we_sign():
    """Fault 50: standardwebhooks, the reference library."""
    secret = new_secret()
    sent = parcel(secret)
    body = sent.body()
    told = standardwebhooks.Webhook(secret).verify(body, sent.headers(body))
    assert told["type"] == "job.completed"
    assert told["timestamp"] == "2026-03-01T12:00:00.000000Z"
    assert told["data"]["links"]["job"] == f"/api/jobs/{'ab' * 32}"


def test_during_a_change_of_secrets_each_of_both_verifies():
    new, old, other = new_secret(), new_secret(), new_secret()
    sent = parcel(new, old)
    body = sent.body()
    for secret in (new, old):
        standardwebhooks.Webhook(secret).verify(body, sent.headers(body))
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(other).verify(body, sent.headers(body))


def test_a_body_that_was_changed_on_its_way_or_is_old_is_found_out():
    secret = new_secret()
    reader = standardwebhooks.Webhook(secret)
    sent = parcel(secret)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        reader.verify(sent.body().replace(b"completed", b"failed"), sent.headers(sent.body()))
    late = parcel(secret, now=datetime.now(UTC) - timedelta(minutes=6))
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        reader.verify(late.body(), late.headers(late.body()))


def test_links_begin_with_the_address_of_the_installation():
    links = json.loads(parcel().body("https://jobs.example.org"))["data"]["links"]
    assert links["result"] == f"https://jobs.example.org/api/jobs/{'ab' * 32}/result"


def test_a_secret_is_not_shown_by_accident():
    secret = new_secret()
    assert secret not in repr(parcel(secret))
    assert len({new_secret() for _ in range(50)}) == 50


def test_the_schedule_goes_from_seconds_to_a_day():
    assert SCHEDULE[0] == timedelta(seconds=5)
    assert SCHEDULE[-1] == timedelta(days=1)
    assert list(SCHEDULE) == sorted(SCHEDULE)


@pytest.mark.parametrize("code", [200, 201, 204, 299])
def test_any_answer_of_success_delivers(code):
    assert consequence(Attempt(QUICK, code), 1) == Delivered()


@pytest.mark.parametrize("code", [None, 302, 307, 400, 401, 404, 429, 500, 503])
def test_any_other_answer_is_tried_again_with_jitter(code):
    waits = [consequence(Attempt(QUICK, code), 3) for _ in range(50)]
    delays = {wait.delay for wait in waits if isinstance(wait, TryAgain)}
    assert len(delays) > 10, "a herd disperses"
    assert all(SCHEDULE[2] * 0.89 < delay < SCHEDULE[2] * 1.11 for delay in delays)


def test_a_target_that_is_gone_disables_and_the_end_of_the_schedule_gives_up():
    assert consequence(Attempt(QUICK, 410), 1) == Disable()
    assert isinstance(consequence(Attempt(QUICK, 500), len(SCHEDULE)), TryAgain)
    assert consequence(Attempt(QUICK, 500), len(SCHEDULE) + 1) == GiveUp()


def test_retry_after_may_be_seconds_or_a_date_and_is_a_day_at_most():
    assert retry_after("120", NOW) == timedelta(seconds=120)
    assert retry_after("Sun, 01 Mar 2026 12:30:00 GMT", NOW) == timedelta(minutes=30)
    assert retry_after("Sun, 01 Mar 2026 11:00:00 GMT", NOW) == timedelta(0)
    assert retry_after("999999999", NOW) == LONGEST_WAIT
    for nothing in (None, "", "soon", "-5", "1e9", "²"):
        assert retry_after(nothing, NOW) is None


def test_what_a_target_asks_for_moves_the_next_attempt_back_but_not_forward():
    later = consequence(Attempt(QUICK, 503, retry_after=timedelta(hours=3)), 1)
    assert later == TryAgain(timedelta(hours=3))
    soon = consequence(Attempt(QUICK, 503, retry_after=timedelta(0)), 2)
    assert isinstance(soon, TryAgain)
    assert soon.delay > timedelta(seconds=50)


def test_a_circuit_rests_longer_each_time_up_to_an_hour():
    circuit, rests = Circuit(), []
    for _ in range(OPENS_AFTER + 20):
        circuit = circuit.after_failure()
        rests.append(circuit.rests)
    assert rests[: OPENS_AFTER - 1] == [None] * (OPENS_AFTER - 1)
    assert rests[OPENS_AFTER - 1 : OPENS_AFTER + 1] == [
        timedelta(seconds=30),
        timedelta(seconds=60),
    ]
    assert rests[-1] == LONGEST_REST
    assert circuit.after_failure(timedelta(hours=5)).rests == timedelta(hours=5)
    assert Attempt(QUICK, 200).circuit(99) == Circuit()


def test_events_are_told_under_their_subjects():
    assert kind_of("job_completed_with_errors") == "job.completed_with_errors"
    assert kind_of("decision_needed") in KINDS
    assert unknown_kinds(["job.completed", "job.*", "gate.*"]) == []
    assert unknown_kinds(["job.complete", "jobs.*", "*"]) == ["*", "job.complete", "jobs.*"]


def test_a_wish_without_filters_hears_everything():
    assert Wish("https://a.example").wants("job.new_kind", "anything", "ab")


def test_an_answer_is_kept_as_text_whatever_it_holds():
    assert readable(b"\xff\x00ok" + b"x" * 5000).startswith("\ufffd\ufffdok")
    assert len(readable(b"x" * 5000)) == 1024
