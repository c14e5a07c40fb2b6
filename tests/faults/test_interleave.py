"""The interleaving explorer tries every order, waits where PostgreSQL waits, and finds what breaks."""

import psycopg
import pytest

from tests.support.interleave import Broken, Trace, explore, pause

TABLE = "CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL)"
RESET = "DELETE FROM account; INSERT INTO account VALUES (1, 0), (2, 0)"


@pytest.fixture
def accounts(database: str) -> str:
    with psycopg.connect(database) as conn:
        conn.execute(TABLE)
    return database


def reset(conn: psycopg.Connection) -> None:
    conn.execute(RESET)


def balances(conn: psycopg.Connection) -> list[int]:
    return [amount for (amount,) in conn.execute("SELECT balance FROM account ORDER BY id")]


def deposit(conn: psycopg.Connection, account: int = 1) -> None:
    conn.execute("UPDATE account SET balance = balance + 1 WHERE id = %s", [account])


def read_then_write(conn: psycopg.Connection):
    """The classic lost update."""
    (balance,) = conn.execute("SELECT balance FROM account WHERE id = 1").fetchone()
    yield
    conn.execute("UPDATE account SET balance = %s WHERE id = 1", [balance + 1])
    yield
    conn.commit()


def add_in_place(conn: psycopg.Connection):
    deposit(conn)
    yield
    conn.commit()


def both_arrived(conn: psycopg.Connection, _: Trace) -> None:
    assert balances(conn)[0] == 2, "a deposit is lost"


def anything(conn: psycopg.Connection, _: Trace) -> None:
    pass


def test_a_lost_update_is_found_and_its_order_is_told(accounts):
    with pytest.raises(Broken, match="a deposit is lost") as found:
        explore(accounts, reset, {"one": read_then_write, "two": read_then_write}, both_arrived)
    order = found.value.trace.events
    assert order.index("two 1") < order.index("one 3")  # it read before the other's commit


def test_an_update_in_place_is_not_flagged(accounts):
    found = explore(accounts, reset, {"one": add_in_place, "two": add_in_place}, both_arrived)
    assert found.complete
    assert found.waits == 2  # whoever comes second, before the first has committed


def test_every_order_is_tried_once(accounts):
    seen: list[str] = []

    def twice(conn: psycopg.Connection):
        conn.execute("SELECT 1")
        yield
        conn.execute("SELECT 2")

    def note(_: psycopg.Connection, trace: Trace) -> None:
        seen.append(" ".join(event[0] for event in trace.events))

    found = explore(accounts, reset, {"a": twice, "b": twice}, note)
    assert (found.orders, found.complete) == (6, True)
    assert set(seen) == {"a a b b", "a b a b", "a b b a", "b a a b", "b a b a", "b b a a"}


def test_three_actors_and_a_limit_give_the_same_sample_again(accounts):
    """Of actors that do not wait for each other: who of two waiters comes first is PostgreSQL's choice."""

    def reads_twice(conn: psycopg.Connection):
        balances(conn)
        yield
        balances(conn)
        yield
        conn.commit()

    def sample(seed: int) -> list[str]:
        seen: list[str] = []
        actors = dict.fromkeys("abc", reads_twice)
        found = explore(
            accounts, reset, actors, lambda _, trace: seen.append(str(trace)), limit=20, seed=seed
        )
        assert (found.orders, found.complete, found.waits) == (20, False, 0)
        return seen

    assert sample(7) == sample(7)
    assert sample(7) != sample(8)


def test_a_plain_function_moves_one_round_trip_at_a_time(accounts):
    """Product code is explored as it is: here it breaks without a yield in it."""

    def product_code(conn: psycopg.Connection) -> None:
        with conn.transaction():
            (balance,) = conn.execute("SELECT balance FROM account WHERE id = 1").fetchone()
            conn.execute("UPDATE account SET balance = %s WHERE id = 1", [balance + 1])

    with pytest.raises(Broken, match="a deposit is lost"):
        explore(accounts, reset, {"one": product_code, "two": product_code}, both_arrived)


def test_a_deadlock_is_an_outcome(accounts):
    def transfer(first: int, second: int):
        def play(conn: psycopg.Connection):
            deposit(conn, first)
            yield
            deposit(conn, second)
            yield
            conn.commit()

        return play

    def one_or_two(conn: psycopg.Connection, trace: Trace) -> None:
        survivors = 2 - len(trace.errors)
        assert survivors >= 1
        assert balances(conn) == [survivors, survivors]

    actors = {"there": transfer(1, 2), "back": transfer(2, 1)}
    found = explore(accounts, reset, actors, one_or_two)
    assert found.complete
    assert found.errors["DeadlockDetected"] > 0


def test_what_holds_always_is_checked_between_the_steps(accounts):
    def there_and_back(conn: psycopg.Connection):
        deposit(conn)
        conn.commit()
        yield
        reset(conn)
        conn.commit()

    def untouched(conn: psycopg.Connection, _: Trace) -> None:
        assert balances(conn) == [0, 0], "seen half way"

    explore(accounts, reset, {"one": there_and_back}, untouched)
    with pytest.raises(Broken, match="seen half way"):
        explore(accounts, reset, {"one": there_and_back}, anything, always=untouched)


def test_an_unexpected_error_of_an_actor_is_not_an_outcome(accounts):
    def fail(conn: psycopg.Connection):
        conn.execute("SELECT 1")
        yield
        raise LookupError("a bug in the test")

    with pytest.raises(LookupError):
        explore(accounts, reset, {"one": fail, "two": add_in_place}, anything)
    found = explore(accounts, reset, {"one": fail}, anything, expected=(LookupError,))
    assert found.errors["LookupError"] == 1


def test_an_actor_that_ends_leaves_nothing_locked(accounts):
    def forget(conn: psycopg.Connection):
        deposit(conn)
        yield
        conn.execute("SELECT pg_advisory_lock(1)")

    def untouched(conn: psycopg.Connection, trace: Trace) -> None:
        assert balances(conn) == [0, 0]
        assert not trace.errors

    found = explore(accounts, reset, {"one": forget, "two": forget}, untouched)
    assert found.waits > 0


def test_results_are_kept_and_a_pause_outside_does_nothing(accounts):
    def answer(conn: psycopg.Connection):
        yield
        return 42

    def kept(_: psycopg.Connection, trace: Trace) -> None:
        assert trace.results == {"one": 42}

    pause()
    explore(accounts, reset, {"one": answer}, kept)
