"""API keys and the audit: memory and PostgreSQL keep the same promises."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from core.audit import Audit, AuditFilter
from core.errors import KeyNotFound, ServiceUnavailable, Unauthenticated
from core.identity import Role
from core.keys import KeyRing, Keys, KeyView, NewKey, Secret
from core.memory.keys import MemoryAudit, MemoryKeys
from infrastructure.audit import PostgresAudit, note
from infrastructure.database import Database, sql
from infrastructure.keys import PostgresKeys


@dataclass
class Desk:
    """Keys and the audit of one store, and a clock that can be put forward."""

    keys: Keys
    audit: Audit
    conn: psycopg.Connection | None = None

    def make(self, name: str = "sync", by: str = "user:1 ada", **more: Any) -> Secret:
        secret = Secret.make()
        self.keys.add(NewKey(secret.id, secret.digest, name, **{"role": Role.READER, **more}), by)
        return secret

    def pass_time(self, by: timedelta) -> None:
        if self.conn is None:
            assert isinstance(self.audit, MemoryAudit)
            self.audit.ahead += by
        else:
            self.conn.execute(
                "update app.keys set expires_at = expires_at - %(by)s, last_used_at = last_used_at - %(by)s",
                {"by": by},
            )

    def notes(self, **wanted: Any) -> list[tuple[str, str, str]]:
        lines = self.audit.notes(AuditFilter(**wanted), None, 100)
        return [(line.by, line.action, line.subject) for line in lines]

    def one(self, secret: Secret) -> KeyView:
        return next(view for view in self.keys.list(None, 100) if view.id == secret.id)


@pytest.fixture(params=["memory", "postgres"])
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    if request.param == "memory":
        audit = MemoryAudit()
        yield Desk(MemoryKeys(audit), audit)
        return
    pool: Database = request.getfixturevalue("store_pool")
    with psycopg.connect(pool.dsn, autocommit=True) as conn:
        conn.execute("truncate app.keys, app.audit")
        yield Desk(PostgresKeys(pool), PostgresAudit(pool), conn)


def test_a_key_is_found_by_its_id_with_its_role(desk: Desk) -> None:
    secret = desk.make(role=Role.SUBMITTER, job_types=("hello_world",))
    found = desk.keys.find(secret.id)
    assert found is not None
    assert (found.is_good, found.seconds_left, found.unseen) == (True, None, None)
    assert found.digest == secret.digest
    assert found.actor.name == f"key:{secret.id} sync"
    assert (found.actor.role, found.actor.job_types) == (Role.SUBMITTER, {"hello_world"})
    assert desk.keys.find("0" * 12) is None


def test_nothing_that_is_kept_opens_anything(desk: Desk) -> None:
    secret = desk.make()
    assert secret.secret not in repr(desk.one(secret))
    assert secret.secret not in repr(desk.audit.notes(AuditFilter(), None, 10))
    assert secret.secret not in repr(secret)
    if desk.conn is not None:
        rows = desk.conn.execute("select k::text from app.keys k").fetchall()
        rows += desk.conn.execute("select a::text from app.audit a").fetchall()
        assert rows
        assert secret.secret not in str(rows)


def test_a_key_that_has_expired_is_not_good(desk: Desk) -> None:
    secret = desk.make(days=2.0)
    desk.pass_time(timedelta(days=1))
    found = desk.keys.find(secret.id)
    assert found is not None
    assert found.is_good
    assert found.seconds_left == pytest.approx(86_400, abs=60)
    desk.pass_time(timedelta(days=1))
    found = desk.keys.find(secret.id)
    assert found is not None
    assert not found.is_good


def test_to_revoke_twice_is_to_revoke_once(desk: Desk) -> None:
    secret = desk.make()
    first, changed = desk.keys.revoke(secret.id, "user:2 bob")
    assert changed
    again, changed = desk.keys.revoke(secret.id, "user:3 eve")
    assert not changed
    assert again == first
    assert desk.notes() == [
        ("user:2 bob", "key_revoked", secret.id),
        ("user:1 ada", "key_created", secret.id),
    ]
    with pytest.raises(KeyNotFound, match="no API key"):
        desk.keys.revoke("0" * 12, "user:2 bob")


def test_keys_are_listed_in_pages_newest_first(desk: Desk) -> None:
    made = [desk.make(str(n)).id for n in range(5)]
    first = desk.keys.list(None, 3)
    assert [view.id for view in first] == made[:1:-1]
    assert [view.id for view in desk.keys.list(first[-1].id, 3)] == made[1::-1]
    assert desk.keys.list("nonsense", 3) == []


def test_the_last_use_is_written_down_to_the_minute(desk: Desk) -> None:
    secret = desk.make(days=1.0)
    desk.keys.touch(secret.id)
    first = desk.one(secret).last_used_at
    assert first is not None
    found = desk.keys.find(secret.id)
    assert found is not None
    assert found.unseen == pytest.approx(0, abs=50)
    ring = KeyRing(desk.keys, lasts=0)
    ring.identify(str(secret))
    assert desk.one(secret).last_used_at == first
    desk.pass_time(timedelta(minutes=2))
    moved = desk.one(secret).last_used_at
    ring.identify(str(secret))
    assert desk.one(secret).last_used_at != moved


def test_the_audit_is_read_in_pages_newest_first(desk: Desk) -> None:
    for number in range(5):
        desk.audit.note("user:1 ada", "collections_made", str(number), {"n": number})
    first = desk.audit.notes(AuditFilter(), None, 3)
    assert [line.subject for line in first] == ["4", "3", "2"]
    assert first[0].data == {"n": 4}
    rest = desk.audit.notes(AuditFilter(), first[-1].id, 3)
    assert [line.subject for line in rest] == ["1", "0"]


def test_the_audit_is_filtered_by_actor_action_and_time(desk: Desk) -> None:
    desk.audit.note("user:1 ada", "made", "a")
    desk.audit.note("user:1 ada lovelace", "made", "b")
    desk.audit.note("user:11 bob", "broken", "c")

    def subjects(**wanted: Any) -> list[str]:
        return [subject for _, _, subject in desk.notes(**wanted)]

    assert subjects(by="user:1") == ["b", "a"]
    assert subjects(by="user:1 ada") == ["b", "a"]
    assert subjects(by="user:1 ad") == []
    assert subjects(by="user:1 ada lovelace") == ["b"]
    assert subjects(action="broken") == ["c"]
    now = datetime.now(UTC)
    assert subjects(after=now + timedelta(hours=1)) == []
    assert subjects(before=now + timedelta(hours=1)) == ["c", "b", "a"]


def test_a_key_that_was_made_before_its_reply_was_lost_is_not_made_twice(desk: Desk) -> None:
    secret = Secret.make()
    new = NewKey(secret.id, secret.digest, "sync", Role.READER)
    assert desk.keys.add(new, "user:1") == desk.keys.add(new, "user:1")
    assert desk.notes() == [("user:1", "key_created", secret.id)]


def test_two_who_revoke_at_once_one_acts_and_one_is_told(desk: Desk) -> None:
    secret = desk.make()
    with ThreadPoolExecutor(8) as crowd:
        found = list(crowd.map(lambda n: desk.keys.revoke(secret.id, f"user:{n}")[1], range(8)))
    assert sorted(found) == [False] * 7 + [True]
    assert len(desk.notes(action="key_revoked")) == 1


def test_a_change_that_fails_leaves_no_note(store_pool: Database) -> None:
    """The note is part of the transaction of the change."""
    subject = uuid4().hex

    def act(conn: psycopg.Connection) -> None:
        note(conn, "user:1", "made", subject)
        raise KeyNotFound("no")

    with pytest.raises(KeyNotFound):
        store_pool.run(act)
    with store_pool.transaction() as conn:
        rows = conn.execute("select 1 from app.audit where subject = %s", [subject]).fetchall()
    assert rows == []


# the ring


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Counted(MemoryKeys):
    """Counts how often it is asked."""

    asked = 0
    is_away = False

    def find(self, key: str):
        self.asked += 1
        if self.is_away:
            raise ServiceUnavailable("away")
        return super().find(key)


def made(keys: Keys, **more: Any) -> Secret:
    return Desk(keys, MemoryAudit()).make(**more)


def test_a_key_is_looked_up_once_in_a_while() -> None:
    keys, clock = Counted(), Clock()
    ring = KeyRing(keys, lasts=5.0, clock=clock)
    secret = made(keys)
    assert ring.recall(str(secret)) is None
    actor = ring.identify(str(secret))
    assert ring.recall(str(secret)) == ring.identify(str(secret)) == actor
    assert keys.asked == 1
    clock.now += 5.1
    assert ring.recall(str(secret)) is None
    assert ring.identify(str(secret)) == actor
    assert keys.asked == 2


def test_a_revoked_key_is_refused_here_at_once_and_elsewhere_soon() -> None:
    keys, clock = Counted(), Clock()
    here, elsewhere = (KeyRing(keys, lasts=5.0, clock=clock) for _ in range(2))
    secret = made(keys)
    here.identify(str(secret))
    elsewhere.identify(str(secret))
    here.revoke(secret.id, "user:1")
    with pytest.raises(Unauthenticated):
        here.identify(str(secret))
    assert elsewhere.recall(str(secret)) is not None
    clock.now += 5.1
    with pytest.raises(Unauthenticated):
        elsewhere.identify(str(secret))


def test_a_key_is_not_believed_beyond_its_end() -> None:
    keys, clock = Counted(), Clock()
    ring = KeyRing(keys, lasts=60.0, clock=clock)
    secret = made(keys, days=10 / 86_400)
    ring.identify(str(secret))
    clock.now += 9
    assert ring.recall(str(secret)) is not None
    clock.now += 2
    assert ring.recall(str(secret)) is None


def test_a_wrong_secret_is_refused_from_memory_too() -> None:
    keys = Counted()
    ring = KeyRing(keys)
    secret = made(keys)
    ring.identify(str(secret))
    forged = Secret(secret.id, Secret.make().secret)
    with pytest.raises(Unauthenticated):
        ring.recall(str(forged))
    assert ring.recall(str(secret)) is not None
    assert keys.asked == 1


@pytest.mark.parametrize(
    "text", ["cm_", "cm_x_y", "cm_0123456789ab_short", "cm_" + "0" * 12 + "_" + "ü" * 43, "x"]
)
def test_what_is_no_key_is_refused_without_asking(text: str) -> None:
    keys = Counted()
    with pytest.raises(Unauthenticated):
        KeyRing(keys).recall(text)
    assert keys.asked == 0


def test_a_ring_forgets_made_up_keys_when_there_are_too_many(monkeypatch) -> None:
    monkeypatch.setattr("core.keys.MOST", 10)
    ring = KeyRing(Counted())
    for _ in range(100):
        with pytest.raises(Unauthenticated):
            ring.identify(str(Secret.make()))
    assert len(ring._known) == 10


def test_without_the_database_nobody_is_taken_for_a_stranger() -> None:
    """A caller who is told 401 throws its key away."""
    keys = Counted()
    secret = made(keys)
    keys.is_away = True
    with pytest.raises(ServiceUnavailable):
        KeyRing(keys).identify(str(secret))


def test_a_key_is_found_by_index(store_pool: Database) -> None:
    with psycopg.connect(store_pool.dsn) as conn:
        conn.execute("set enable_seqscan = off")
        rows = conn.execute(b"explain " + sql("keys/find_key"), {"key": "0" * 12}).fetchall()
        assert "keys_pkey" in str(rows)
        values = {"before": None, "actor": "user:1", "action": None, "from": None, "until": None}
        rows = conn.execute(
            b"explain " + sql("audit/list_notes"), {**values, "limit": 10}
        ).fetchall()
        assert "audit_by_actor" in str(rows)
