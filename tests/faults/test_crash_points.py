"""Wherever a process dies, the job ends, with the right result, and nothing is done twice.

Each crash point is tried at the first, the middle and the last time that a whole job comes by it; how often that is
is counted first. A point that no job comes by fails.
"""

import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from benchmarks.invariants import violations
from core import crashpoints
from core.job import JobBase
from tests.faults.conftest import Harbour
from tests.faults.test_crashing_operators import CONTROL_POINTS
from tests.faults.test_schedule_crashes import IN_BATCHES, IN_TICKS
from tests.support.fault_jobs.publisher import Publisher
from tests.support.fault_jobs.relay import Relay
from tests.support.fault_jobs.turnstile import Deadline, Turnstile
from tests.support.fleet import Fleet, Worker
from tests.support.service_bus import SDK_LEAVES_SOCKETS, service_bus_emulator
from tests.support.waiting import eventually

pytestmark = pytest.mark.filterwarnings(SDK_LEAVES_SOCKETS)

ONE_BY_ONE = {"CM_BATCH": 1, "CM_LIGHT_SLOTS": 1}
"""Settings under which every task passes every point by itself."""

ALONE = {"CM_RECONCILE_SECONDS": 60}
"""Settings of the worker that dies: a reconciler that closes a stage now and then would spoil the count."""

IN_WORKERS = (
    "claim.before",
    "claim.after",
    "complete.before",
    "complete.in_transaction",
    "close.before",
    "close.in_transaction",
    "close.after",
    "expand.before",
    "expand.between_chunks",
    "expand.before_open",
)
IN_MESSAGES = ("settle.before", "outbox.before_send", "outbox.after_send")
IN_BLOBS = ("blob.staged", "blob.copied")
IN_REPAIRS = ("reconcile.before_close", "repair.in_transaction")
IN_WEBHOOKS = ("webhook.before_send", "webhook.after_send")
"""Tried in test_webhook_faults.py: no job comes by them."""
IN_SUBMISSIONS = ("submit.in_transaction", "submit.after_commit")
IN_SCHEDULES = (*IN_TICKS, *IN_BATCHES)
IN_ADMISSIONS = ("admit.before", "admit.in_transaction")
IN_DEADLINES = ("expire.after_note",)


@dataclass(frozen=True)
class Case:
    """A job, and what must come of it."""

    job: JobBase
    expected: object


RELAY = Case(Relay(), Relay().expected)


def publishing() -> Case:
    """Into a container of its own: what is published already needs no copy."""
    container = f"crash-{uuid4().hex[:12]}"
    names = [f"silver/{container}/{n}.txt" for n in range(3)]
    return Case(Publisher(container=container), names)


Counts = dict[str, Counter[str]]


@pytest.fixture(scope="module")
def counts() -> Counts:
    """How often a job comes by each point, by kind of point; filled as tests ask."""
    return {}


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    with service_bus_emulator() as bus:
        yield bus.connection_string


def test_every_point_of_the_registry_is_tried_here() -> None:
    """A new crash point needs a case."""
    tried = {*IN_WORKERS, *IN_MESSAGES, *IN_BLOBS, *IN_REPAIRS, *IN_SUBMISSIONS, *IN_WEBHOOKS}
    tried |= {*IN_SCHEDULES, *CONTROL_POINTS, *IN_ADMISSIONS, *IN_DEADLINES}
    assert tried == crashpoints.POINTS


def test_every_point_stands_in_the_code_once_at_least() -> None:
    code = [path for folder in ("core", "infrastructure") for path in Path(folder).rglob("*.py")]
    named = {
        name for path in code for name in re.findall(r'crashpoint\("(.+)"\)', path.read_text())
    }
    assert named == crashpoints.POINTS


@pytest.mark.parametrize("point", IN_WORKERS)
def test_a_worker_may_die_anywhere(point: str, harbour: Harbour, counts: Counts) -> None:
    """Faults 1, 2, 4, 5, 6; R05, R08: a worker dies at the point, and another one finishes the job."""
    dies_in_each_place(point, lambda: RELAY, lambda: harbour(**ONE_BY_ONE), counts)


@pytest.mark.parametrize("point", IN_MESSAGES)
def test_a_worker_may_die_between_a_message_and_the_database(
    point: str, harbour: Harbour, emulator: str, counts: Counts
) -> None:
    """Faults 7, 8, 9; R06: with Service Bus, messages are repeated or sent again, never missed."""

    def launch() -> AbstractContextManager[Fleet]:
        return harbour(bus=emulator, **ONE_BY_ONE, **own_queues())

    dies_in_each_place(point, lambda: RELAY, launch, counts)


@pytest.mark.parametrize("point", IN_BLOBS)
def test_a_worker_may_die_between_a_blob_and_its_name(
    point: str, harbour: Harbour, azurite: str, counts: Counts
) -> None:
    """Fault 4; R75: what a dead attempt staged stays hidden, and the next one publishes its own."""
    dies_in_each_place(point, publishing, lambda: harbour(storage=azurite, **ONE_BY_ONE), counts)


@pytest.mark.parametrize("stage", [1, 2, 4])
def test_a_reconciler_may_die_on_its_way_to_a_forgotten_stage(stage: int, fleet: Fleet) -> None:
    """Faults 5, 41; R05: closing is tried again by whoever looks next."""
    run = fleet.submit(RELAY.job)
    dies(fleet.start(crash=f"close.in_transaction:{stage}"))
    dies(fleet.start(crash="reconcile.before_close:1"))
    fleet.start()
    assert_right(fleet, run, RELAY)


@pytest.mark.parametrize("place", [1, 3, 9])
def test_a_reconciler_may_die_inside_a_repair(place: int, fleet: Fleet) -> None:
    """Fault 41: half a repair is no repair."""
    run = fleet.submit(RELAY.job)
    dies(fleet.start(crash="claim.after:1"))
    dies(fleet.start(crash=f"repair.in_transaction:{place}"))
    fleet.start()
    assert_right(fleet, run, RELAY)


def test_a_submission_that_dies_before_its_commit_never_was(fleet: Fleet) -> None:
    """Fault 10; R07: nothing half-written keeps the next submission out."""
    dies(fleet.submitter(RELAY.job, "submit.in_transaction"))
    assert fleet.ask("select from app.jobs") == []
    fleet.start()
    assert_right(fleet, fleet.submit(RELAY.job), RELAY)


def test_a_submission_that_dies_after_its_commit_is_found_by_the_next(fleet: Fleet) -> None:
    """Fault 10; R07: the caller who heard nothing asks again, and gets the same job."""
    dies(fleet.submitter(RELAY.job, "submit.after_commit"))
    ((job_id, run),) = fleet.ask("select job_id, run_id from app.jobs")
    again = fleet.submission(RELAY.job)
    assert (again.run.job_id, again.run.run, again.is_new) == (job_id, run, False)
    fleet.start()
    assert_right(fleet, run, RELAY)


@pytest.mark.parametrize("point", IN_ADMISSIONS)
def test_a_submission_that_dies_before_its_run_is_let_in_has_it_let_in_by_others(
    point: str, fleet: Fleet
) -> None:
    """Fault 10; R07: the run is written down, so whoever looks next lets it in."""
    dies(fleet.submitter(Turnstile(number=7), point))
    ((run, admitted),) = fleet.ask("select run_id, admitted from app.runs")
    assert not admitted
    fleet.start()
    assert_right(fleet, run, Case(Turnstile(), 7))


@pytest.mark.parametrize("point", IN_ADMISSIONS)
def test_a_worker_that_dies_over_a_hand_over_leaves_the_line_to_others(
    point: str, fleet: Fleet
) -> None:
    """Fault 4; R05: those who wait go one after the other, whoever looks."""
    line = [fleet.submit(Turnstile(number=number)) for number in range(4)]
    dies(fleet.start(crash=f"{point}:1", **ALONE))
    assert fleet.ask("select count(*) from app.runs where admitted") == [(1,)]
    dies(fleet.start(crash=f"{point}:1"))
    fleet.start()
    for number, run in enumerate(line):
        assert_right(fleet, run, Case(Turnstile(), number))
    overlaps = "select from app.runs a join app.runs b on b.run_id > a.run_id and b.admitted_at < a.finished_at"
    assert fleet.ask(overlaps) == []


@pytest.mark.parametrize("point", IN_DEADLINES)
def test_a_reconciler_may_die_over_a_stage_that_is_late(point: str, fleet: Fleet) -> None:
    """Fault 41: that the stage is late is noted once, and the next round ends it."""
    run = fleet.submit(Deadline())
    worker = fleet.start()
    waits = "select status from app.tasks where stage = 0"
    eventually(lambda: fleet.ask(waits) == [("waiting",)])
    worker.kill()
    fleet.ask(
        "update app.stages set deadline = clock_timestamp() - interval '1 second' where stage = 0 returning 1"
    )
    dies(fleet.start(crash=f"{point}:1"))
    assert fleet.ask(waits) == [("waiting",)]
    fleet.start()
    ended = fleet.ended(run)
    assert (ended.status, (ended.error or {}).get("code")) == ("failed", "stage_timeout")
    fleet.swept(run)
    assert fleet.ask("select count(*) from app.events where what = 'stage_timed_out'") == [(1,)]
    assert violations(fleet.dsn) == []


def dies_in_each_place(
    point: str,
    make: Callable[[], Case],
    launch: Callable[[], AbstractContextManager[Fleet]],
    counts: Counts,
) -> None:
    """The first, the middle and the last time that the job comes by the point, side by side."""
    kind = point.partition(".")[0]
    if kind not in counts:
        with launch() as fleet:
            counts[kind] = fleet.survey(make().job, **ALONE)
    passings = counts[kind]["claim.after" if point == "claim.before" else point]
    assert passings, f"no job ever comes by {point}"

    def survives(place: int) -> None:
        case = make()
        with launch() as fleet:
            run = fleet.submit(case.job)
            dies(fleet.start(crash=f"{point}:{place}", **ALONE))
            fleet.start()
            assert_right(fleet, run, case)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(survives, sorted({1, (passings + 1) // 2, passings})))


def dies(worker: Worker) -> None:
    assert worker.died() == -signal.SIGKILL, worker.told()


def assert_right(fleet: Fleet, run: int, case: Case) -> None:
    ended = fleet.ended(run)
    assert (ended.status, ended.result) == ("completed", case.expected), ended.error
    fleet.swept(run)
    assert violations(fleet.dsn) == []


def own_queues() -> dict[str, str]:
    """Queues that no other fleet of the same emulator reads."""
    name = uuid4().hex[:8]
    return {f"CM_QUEUE_{queue}": f"{queue.lower()}-{name}" for queue in ("JOBS", "LIGHT", "HEAVY")}
