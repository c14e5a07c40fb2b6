"""What people do with webhooks, and what is kept of it: memory and PostgreSQL do the same."""

from datetime import timedelta
from uuid import uuid4

from core.webhooks.rules import (
    OPENS_AFTER,
    DeliveryStatus,
    State,
    TryAgain,
    Wish,
)
from tests.store.mailing import BAD, GOOD, URL, Post, drained, failing
from tests.store.sample_jobs import Line


def test_a_test_is_sent_like_any_other_and_tries_a_resting_target_at_once(post: Post):
    hook = failing(post, OPENS_AFTER)
    assert post.claim() == []
    assert post.room.ping(hook, "ann") is not None
    post.settle(post.one(), GOOD)
    assert "webhook.test" in {p.kind for p in drained(post)}
    post.room.set_state(hook, State.PAUSED, "bob")
    assert post.room.ping(hook, "ann") is None


def test_a_replay_has_the_same_name_and_all_its_tries(post: Post):
    hook = post.hook(events=("job.submitted",))
    post.desk.submit(Line())
    first = post.one()
    assert not post.room.replay(hook, first.delivery, "ann"), "it is being sent"
    post.settle(first, GOOD)
    assert post.room.replay(hook, first.delivery, "ann")
    again = post.one()
    assert (again.message_id, again.attempt, again.tries) == (first.message_id, 2, 1)
    post.settle(again, BAD)
    letter = post.room.delivery(hook, first.delivery)
    assert letter is not None
    assert (letter.status, letter.status_code) == ("waiting", 503)
    assert len(post.room.attempts(first.delivery)) == 2
    assert not post.room.replay(uuid4(), first.delivery, "ann")


def test_while_secrets_change_both_sign_and_then_the_new_one_alone(post: Post):
    hook = post.hook(events=("job.submitted",))
    for n in range(3):
        post.desk.submit(Line(label=str(n)))
    first = post.one().secrets
    assert post.room.rotate(hook, "whsec_bmV3", timedelta(hours=1), "ann")
    assert list(post.one().secrets) == ["whsec_bmV3", *first]
    assert post.room.rotate(hook, "whsec_bmV3ZXI=", timedelta(hours=1), "ann")
    assert list(post.one().secrets) == ["whsec_bmV3ZXI=", "whsec_bmV3"], "two at most"
    post.advance(timedelta(hours=2))
    assert {tuple(p.secrets) for p in post.claim()} == {("whsec_bmV3ZXI=",)}
    assert not post.room.rotate(uuid4(), "whsec_bmV3", timedelta(0), "ann")


def test_webhooks_are_listed_in_the_order_they_were_made(post: Post):
    made = [post.hook(f"https://{n}.example.com/") for n in range(5)]
    first = post.room.list(None, 3)
    rest = post.room.list((first[-1].created_at, first[-1].id), 3)
    assert [view.id for view in [*first, *rest]] == made
    assert post.room.count() == 5


def test_a_changed_address_begins_without_the_record_of_the_old_one(post: Post):
    hook = failing(post, OPENS_AFTER)
    same = post.room.change(hook, Wish(URL, description="ours"), "bob")
    assert (same.failures, same.description, same.changed_by) == (OPENS_AFTER, "ours", "bob")
    moved = post.room.change(hook, Wish("https://new.example.com/"), "bob")
    assert (moved.failures, moved.rests_until, moved.created_by) == (0, None, "ann")
    assert post.one().url == "https://new.example.com/"
    assert post.room.change(uuid4(), Wish(URL), "bob") is None


def test_a_webhook_that_is_removed_is_sent_nothing_more(post: Post):
    hook = post.hook()
    post.desk.submit(Line())
    held = post.one()
    assert post.room.remove(hook, "ann")
    assert not post.room.remove(hook, "ann")
    assert not post.settle(held, GOOD)
    assert post.claim() == []
    assert post.room.get(hook) is None
    assert post.room.drop(hook, 1) == 1
    assert post.room.drop(hook, 100) == 1
    assert post.letters(hook) == []


def test_old_deliveries_are_forgotten(post: Post):
    hook = post.hook(events=("job.submitted",))
    post.desk.submit(Line(label="old"))
    post.settle(post.one(), GOOD)
    post.advance(timedelta(days=31))
    post.desk.submit(Line(label="new"))
    assert post.room.prune(30, 100) == 1
    assert len(post.letters(hook)) == 1


def test_a_page_of_deliveries_goes_by_key_and_status(post: Post):
    hook = post.hook(events=("job.submitted",))
    for n in range(5):
        post.desk.submit(Line(label=str(n)))
    post.settle(post.one(), GOOD)
    newest = post.room.deliveries(hook, None, None, 3)
    older = post.room.deliveries(hook, newest[-1].id, None, 3)
    assert [one.id for one in [*newest, *older]] == sorted(
        (one.id for one in [*newest, *older]), reverse=True
    )
    assert len(older) == 2
    assert len(post.letters(hook, DeliveryStatus.WAITING)) == 4


def test_a_settle_that_is_repeated_after_a_lost_answer_changes_nothing(post: Post):
    hook = post.hook(events=("job.submitted",))
    post.desk.submit(Line())
    parcel = post.one()
    again = TryAgain(timedelta(0))
    assert post.room.settle(parcel, BAD, again)
    assert not post.room.settle(parcel, BAD, again)
    assert post.room.get(hook).failures == 1
