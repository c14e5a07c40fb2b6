"""What only a database can get wrong: isolation, locks, keys, and errors that pass."""

import re
import threading
from functools import partial
from importlib.metadata import version
from pathlib import Path

import psycopg
import pytest

from core.errors import BadResult, ServiceUnavailable
from core.states import Verdict
from core.tasks import Completed, Outcome, Payload
from infrastructure import migrations
from infrastructure.database import Database, sql
from infrastructure.migrations import migrate
from infrastructure.store import PostgresStore
from tests.store.desk import PostgresDesk, at_once, given
from tests.store.sample_jobs import Diamond, Fan, Line, Wide
from tests.support.waiting import eventually

SQL = Path(migrations.__file__).parent / "sql"
LOCKS = (
    "select count(*) from pg_locks where locktype = 'advisory'"
    " and database = (select oid from pg_database where datname = current_database())"
)
"""Of this database: beside it the others have locks of their own."""


@pytest.fixture
def strict_desk(database: str):
    """A desk on a server whose transactions would be REPEATABLE READ if nobody said otherwise."""
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(
            f"alter database {conn.info.dbname} set default_transaction_isolation = 'repeatable read'"
        )
    pool = Database(database, size=20).open()
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("set search_path = app")
        assert conn.execute("show transaction_isolation").fetchone() == ("repeatable read",)
        yield PostgresDesk(pool, conn)
    pool.close()


def test_the_last_worker_is_found_whatever_isolation_the_server_defaults_to(strict_desk):
    """R29: with a snapshot from before the lock, nobody would be last."""
    desk = strict_desk
    for n in range(10):
        run = desk.submit(Fan(n=8, label=str(n)))
        desk.plan()
        at_once(*(partial(desk.complete, claim) for claim in desk.claim()))
        assert desk.stage(run.run, 0).status == "closed"
        desk.complete(desk.one())
        assert desk.status(run.run) == "completed"


def test_branches_meet_whatever_isolation_the_server_defaults_to(strict_desk):
    """R29."""
    desk = strict_desk
    for n in range(20):
        run = desk.submit(Diamond(label=str(n)))
        desk.complete(desk.one())
        at_once(*(partial(desk.complete, claim) for claim in desk.claim()))
        assert len(desk.keys(run.run, 3)) == 1
        desk.complete(desk.one())
        assert desk.status(run.run) == "completed"


def test_submissions_meet_whatever_isolation_the_server_defaults_to(strict_desk):
    """R29, R40."""
    many = at_once(*[partial(strict_desk.machine.submit, Line())] * 16)
    assert len({submission.run.run for submission in many}) == 1


def test_every_pooled_connection_pins_what_the_algorithm_relies_on(store_dsn, store_pool):
    """R29, R54, Fault 19: isolation, time limits, and no search path."""
    wanted = {
        "transaction_isolation": "read committed",
        "lock_timeout": "5s",
        "statement_timeout": "1min",
        "idle_in_transaction_session_timeout": "30s",
        "search_path": "pg_catalog",
    }
    with store_pool.transaction() as conn:
        shown = {name: conn.execute(f"show {name}").fetchone()[0] for name in wanted}
    assert shown == wanted


def test_only_locks_that_end_with_their_transaction_are_taken():
    """R28: a pooled connection keeps no lock."""
    text = "\n".join(path.read_text() for path in SQL.rglob("*.sql"))
    locks = set(re.findall(r"pg_\w*advisory\w*", text))
    assert locks
    assert all("_xact_" in lock for lock in locks), locks


def test_lock_keys_are_64_bits_wide(postgres_desk):
    """R30: two stages share a lock only by a chance of one in 2^64."""
    text = "\n".join(path.read_text() for path in SQL.rglob("*.sql"))
    assert "hashtext(" not in text
    run = postgres_desk.submit(Line())
    keys = set()
    for stage in (0, 1):
        with postgres_desk.pool.transaction() as conn:
            conn.execute(sql("stages/lock_stage"), {"run_id": str(run.run), "stage": str(stage)})
            held = "select classid, objid from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
            keys |= {tuple(row) for row in conn.execute(held).fetchall()}
    assert len(keys) == 2
    assert all(high != 0 for high, _ in keys), "the key fills only its lower half"


def test_nothing_is_locked_once_everything_has_ended(postgres_desk):
    """R28."""
    desk = postgres_desk
    desk.submit(Fan(n=5))
    desk.work()
    assert desk.conn.execute(LOCKS).fetchone() == (0,)


def test_a_closer_waits_for_the_one_who_holds_the_switch(postgres_desk):
    """R02, R05: to try the lock and walk away would leave a stage open for ever."""
    desk = postgres_desk
    run = desk.submit(Fan(n=1))
    desk.plan()
    desk.settle(given(1), *desk.claim())
    closed: list[bool] = []
    with desk.store.closing(run.run, 0) as closing:
        other = threading.Thread(target=lambda: closed.append(desk.machine.close(run.run, 0)))
        other.start()
        waiting = f"{LOCKS} and not granted"
        eventually(lambda: desk.conn.execute(waiting).fetchone() == (1,))
        assert closed == []
        closing.turn.close(0, Verdict.OK, closing.tally)
        closing.turn.open(1)
    other.join(120)
    assert closed == [False]


def test_no_unique_key_can_hold_a_null(postgres_desk):
    """R57: two rows with NULL would both be unique. An index of a part says itself which rows it means."""
    nullable = postgres_desk.conn.execute(
        """
        select i.indexrelid::regclass, a.attname
        from pg_index i
        join pg_class c on c.oid = i.indrelid
        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
        where i.indisunique and i.indpred is null and not i.indnullsnotdistinct and not a.attnotnull
          and c.relnamespace = 'app'::regnamespace
        """
    ).fetchall()
    assert nullable == []


def test_no_moment_is_kept_without_its_zone_and_no_text_is_cut_off(postgres_desk):
    """R55, R56, R49: timestamptz, text and bigint for what grows."""
    narrow = postgres_desk.conn.execute(
        """
        select table_name, column_name, data_type from information_schema.columns
        where table_schema = 'app'
          and (data_type in ('timestamp without time zone', 'character varying', 'character')
               or (column_name in ('run_id', 'id', 'number') and data_type = 'smallint')
               or (column_name in ('run_id', 'id') and data_type <> 'bigint'))
        """
    ).fetchall()
    assert narrow == []


def test_two_runs_of_one_job_never_have_one_number(postgres_desk):
    """R35, R40: the database itself refuses what no lock prevented."""
    run = postgres_desk.submit(Line())
    again = "insert into runs (job_id, job_type, number, request, plan) values (%s, 'line', 1, gen_random_uuid(), '[]')"
    with pytest.raises(psycopg.errors.UniqueViolation):
        postgres_desk.conn.execute(again, [run.job_id])


HICCUP = """
create sequence hiccup;
create function hiccup() returns trigger language plpgsql as $$
begin
    if nextval('app.hiccup') % 7 = 0 then
        raise exception 'hiccup' using errcode = tg_argv[0];
    end if;
    return new;
end $$;
create trigger hiccup before update on tasks for each row execute function hiccup('{code}');
"""


@pytest.mark.parametrize("code", ["40001", "40P01", "55P03"])
def test_errors_that_pass_are_tried_again(postgres_desk, code):
    """Fault 21, R31: a serialisation failure, a deadlock, a lock not to be had; each costs nobody a task."""
    desk = postgres_desk
    desk.conn.execute(HICCUP.replace("{code}", code))
    try:
        run = desk.submit(Wide(n=12))
        desk.plan()
        while claims := desk.claim(limit=3):
            desk.complete(*claims)
        assert desk.status(run.run) == "completed"
        assert {desk.task(key).failures for key in desk.keys(run.run, 0)} == {0}
        assert desk.conn.execute("select last_value > 14 from hiccup").fetchone() == (True,)
    finally:
        desk.conn.execute("drop trigger hiccup on tasks")
        desk.conn.execute("drop function hiccup; drop sequence hiccup")


def test_a_server_that_is_not_there_is_a_service_unavailable():
    """Fault 18: without the server's words, which may name hosts."""
    pool = Database("host=127.0.0.1 port=1 dbname=x user=x", size=1, tries=1)
    pool.pool.timeout = 0.3
    pool.open()
    try:
        with pytest.raises(ServiceUnavailable) as refused:
            PostgresStore(pool).run(1)
    finally:
        pool.close()
    assert "127.0.0.1" not in str(refused.value)


@pytest.mark.parametrize("data", [b'"\\u0000"', b"{not json", b"1e999999"])
def test_a_value_the_database_cannot_keep_is_a_bad_result(postgres_desk, data):
    """R58: and it names no statement."""
    desk = postgres_desk
    desk.submit(Line())
    claim = desk.one()
    with pytest.raises(BadResult, match="the database cannot keep this value"):
        desk.settle(Completed(Payload(data)), claim)
    assert desk.task(claim.key).status == "processing"


def test_one_bad_value_costs_the_others_of_its_batch_nothing(postgres_desk):
    """R16, Fault 29: the worker writes the rest, and fails the one."""
    desk = postgres_desk
    run = desk.submit(Wide(n=3))
    desk.plan()
    claims = desk.claim()
    endings = [given(0), Completed(Payload(b"{not json")), given(2)]
    desk.runner.settle([Outcome(c, e) for c, e in zip(claims, endings, strict=True)])
    assert desk.statuses(run.run, 0)[1:] == ["completed", "failed", "completed"]


def test_migrating_twice_at_once_applies_each_file_once(postgres_server, postgres_admin):
    """R51, R29, Fault 44: two hosts that start together; also where REPEATABLE READ is the default."""
    postgres_admin.execute("drop database if exists two_hosts")
    postgres_admin.execute("create database two_hosts")
    postgres_admin.execute(
        "alter database two_hosts set default_transaction_isolation = 'repeatable read'"
    )
    try:
        dsn = postgres_server.dsn("two_hosts")
        applied = at_once(*[partial(migrate, dsn)] * 4)
        names = [name for names in applied for name in names]
        own = [name for _, name, _ in migrations.migrations()]
        assert sorted(names) == [*own, f"pgstac {version('pypgstac')}"]
        assert migrate(dsn) == []
    finally:
        postgres_admin.execute("drop database two_hosts with (force)")


def test_a_migration_that_was_changed_after_it_was_applied_is_refused(database: str):
    """R51."""
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("update app.migrations set sha256 = 'other' where number = 1")
    with pytest.raises(migrations.MigrationChanged, match="write a new migration instead"):
        migrate(database)
