"""Every plausible wrong fan-in is caught, by the experiment and for the reason it is wrong."""

import psycopg
import pytest

from tests.support.fan_in import FOLDER, TABLES, Script, crash, race, redelivery

NEVER, EARLY = "the stage never closed", "the stage closed early"
BROKEN = {
    "count_without_lock": (race, NEVER),
    "lock_and_count_in_one_statement": (race, NEVER),
    "repeatable_read": (race, NEVER),
    "session_lock_released_before_commit": (race, NEVER),
    "try_lock_loser_skips": (race, NEVER),
    "skip_locked": (race, EARLY),
    "counter_without_fence": (redelivery, EARLY),
    "claim_without_attempt": (redelivery, "an attempt ran twice"),
    "commit_then_check_without_sweeper": (crash, NEVER),
    "reconciler_never_closes": (crash, NEVER),
    "advance_in_second_transaction": (crash, "the next stage was never built"),
}
RIGHT = sorted(path.stem for path in (FOLDER / "right").glob("*.sql"))


@pytest.fixture
def stage(database: str) -> str:
    with psycopg.connect(database) as conn:
        conn.execute(TABLES)
    return database


@pytest.mark.parametrize("name", BROKEN)
def test_a_wrong_fan_in_is_caught(stage, name):
    """Faults 5, 6, 23, 49."""
    experiment, symptom = BROKEN[name]
    with pytest.raises(AssertionError, match=symptom):
        experiment(stage, Script.load(FOLDER / f"{name}.sql"))


@pytest.mark.parametrize("experiment", [race, redelivery, crash])
@pytest.mark.parametrize("name", RIGHT)
def test_a_right_fan_in_is_not_flagged(stage, name, experiment):
    """Faults 5, 6, 23, 49."""
    experiment(stage, Script.load(FOLDER / "right" / f"{name}.sql"))


def test_every_order_of_the_right_one_is_tried(stage):
    """Five statements beside five: 252 orders, 92 of them possible as the lock admits one at a time."""
    found = race(stage, Script.load(FOLDER / "right" / "commit_then_close.sql"))
    assert (found.complete, found.orders, found.waits) == (True, 92, 50)


def test_every_wrong_script_has_its_test():
    assert {path.stem for path in FOLDER.glob("*.sql")} == set(BROKEN)
