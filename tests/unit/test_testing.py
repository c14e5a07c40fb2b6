"""The tests' own tool: a whole job in memory, as a job's author would use it."""

import textwrap
from datetime import timedelta

import pytest

import core.testing
from core import (
    BadInput,
    BlobRef,
    Context,
    Decision,
    Failure,
    JobBase,
    Results,
    Retry,
    RetryLater,
    fan_in,
    fan_out,
    gate,
    keep_going,
    minutes,
    single,
)
from core.errors import ShuttingDown
from core.memory.blobs import MemoryBlobs
from core.states import JobStatus, TaskStatus
from core.testing import run_job
from jobs.hello_world import HelloWorld

CALLS: list[str] = []


@pytest.fixture(autouse=True)
def no_calls():
    CALLS.clear()


class Shaky(JobBase):
    """Fails as often as it is told, one way or the other."""

    failures: int = 0
    permanent: bool = False

    @single(retry=Retry(attempts=3, delay=minutes(60)))
    def shake(self, ctx: Context) -> str:
        CALLS.append(ctx.task_id)
        if len(CALLS) <= self.failures:
            raise BadInput("no such place") if self.permanent else ConnectionError("cut off")
        return f"attempt {ctx.attempt}"


class Polls(JobBase):
    """Asks again and again, until it is told that it is ready."""

    times: int

    @single(retry=Retry(attempts=1))
    def poll(self, ctx: Context) -> int:
        CALLS.append(ctx.task_id)
        if len(CALLS) < self.times:
            raise RetryLater(minutes(10), "not there yet")
        return len(CALLS)


class Asks(JobBase):
    """Needs a person."""

    @single
    def draw(self, ctx: Context) -> int:
        return 7

    @gate(draw)
    def review(self, ctx: Context, drawn: int) -> str:
        return f"Is {drawn} good?"

    @single(review)
    def publish(self, ctx: Context, decision: Decision) -> str:
        return f"{decision.by}: {decision.note}"


class Copies(JobBase):
    """Reads and writes blobs, in phases."""

    source: BlobRef

    @single
    def copy_blob(self, ctx: Context) -> BlobRef:
        data = ctx.once("read", lambda: ctx.blobs.read(self.source).decode())
        CALLS.append(data)
        if len(CALLS) == 1:
            raise ConnectionError("cut off after the first phase")
        target = BlobRef(f"silver/copies/{self.source.name}")
        ctx.blobs.write(target, data.upper().encode())
        return target


class Lenient(JobBase):
    """Tells who failed."""

    n: int = 4

    def numbers(self) -> list[int]:
        return list(range(self.n))

    @fan_out(each=numbers, on_failure=keep_going(0.5), retry=Retry(attempts=1))
    def halve(self, ctx: Context, i: int) -> int:
        if i % 2:
            raise ValueError(f"{i} is odd")
        return i // 2

    @fan_in(halve)
    def report(self, ctx: Context, halves: Results[int]) -> list[str]:
        return [f"{failure.index}: {failure.error}" for failure in halves.failures]


def test_the_example_in_the_documentation_works():
    blocks = core.testing.__doc__.split("\n\n")
    code = next(block for block in blocks if "def test_" in block)
    example = "\n".join(line for line in code.splitlines() if not line.startswith("The"))
    names = {"HelloWorld": HelloWorld, "JobStatus": JobStatus, "run_job": run_job}
    exec(textwrap.dedent(example), names)  # noqa: S102 - our own documentation
    names["test_everyone_is_greeted"]()


def test_a_run_tells_its_status_result_tasks_and_events():
    run = run_job(HelloWorld(names=["a", "b"]))
    assert run.status is JobStatus.COMPLETED
    assert run.result == 2
    assert run.error is None
    assert [task.status for task in run.tasks("greet")] == [TaskStatus.COMPLETED] * 2
    assert [task.result for task in run.tasks(HelloWorld.greet)] == ["Hello, a!", "Hello, b!"]
    assert run.results("count") == [2]
    assert run.events[0].what == "job_submitted"
    assert run.events[-1].what == "job_completed"


def test_a_stage_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(AssertionError, match="has no stage 'greeet'; it has: greet, count"):
        run_job(HelloWorld()).tasks("greeet")


def test_delays_before_retries_are_skipped():
    run = run_job(Shaky(failures=2), expect=JobStatus.COMPLETED)
    assert run.result == "attempt 3"
    assert [event.what for event in run.events].count("task_retried") == 2


def test_a_job_that_fails_is_told_and_not_raised():
    run = run_job(Shaky(failures=1, permanent=True))
    assert run.status is JobStatus.FAILED
    assert run.result is None
    assert (run.error["type"], run.error["message"]) == ("BadInput", "no such place")
    assert (run.error["stage"], run.tasks("shake")[0].attempts) == ("shake", 1)
    assert run.results(Shaky.shake) == []


def test_an_unexpected_failure_shows_the_trace_of_the_first():
    with pytest.raises(AssertionError) as failed:
        run_job(Shaky(failures=9), expect=JobStatus.COMPLETED)
    told = str(failed.value)
    assert told.startswith("shaky ended failed, not completed: shake (1-0-0) failed")
    assert "ConnectionError: cut off" in told
    assert 'raise BadInput("no such place") if self.permanent' in told


def test_a_failure_that_was_expected_is_fine():
    run_job(Shaky(failures=9), expect=JobStatus.FAILED)
    with pytest.raises(AssertionError, match="ended completed, not failed"):
        run_job(Shaky(), expect=JobStatus.FAILED)


def test_tolerated_failures_show_when_success_was_expected():
    run = run_job(Lenient(), expect=JobStatus.COMPLETED_WITH_ERRORS)
    assert run.result == ["1: 1 is odd", "3: 3 is odd"]
    assert run.results(Lenient.halve) == [0, 1]
    assert [task.error and task.error.message for task in run.tasks("halve")] == [
        None,
        "1 is odd",
        None,
        "3 is odd",
    ]
    with pytest.raises(AssertionError, match=r"not completed: halve .* failed(.|\n)*1 is odd"):
        run_job(Lenient(), expect=JobStatus.COMPLETED)


def test_polling_takes_no_time_and_no_attempts():
    run = run_job(Polls(times=100), expect=JobStatus.COMPLETED)
    assert run.result == 100
    assert run.tasks("poll")[0].attempts == 100


def test_polling_for_ever_is_given_up():
    with pytest.raises(AssertionError) as stuck:
        run_job(Polls(times=10**9), patience=timedelta(hours=2))
    assert "polls still has not ended after 2:00:00 of skipped waiting" in str(stuck.value)
    assert "poll 1-0-0: not there yet" in str(stuck.value)
    assert len(CALLS) < 20


def test_a_gate_is_settled_by_the_decision_named_for_it():
    yes = Decision(approved=True, by="ada", note="lovely")
    run = run_job(Asks(), decisions={"review": yes}, expect=JobStatus.COMPLETED)
    assert run.result == "ada: lovely"
    assert run.tasks("review")[0].result == yes


def test_a_rejected_gate_fails_the_job():
    no = Decision(approved=False, by="ada", note="too dark")
    run = run_job(Asks(), decisions={"review": no}, expect=JobStatus.FAILED)
    assert run.error["message"] == "rejected by ada: too dark"
    assert run.tasks("publish") == []


def test_a_gate_nobody_settles_says_what_it_asks_and_what_to_write():
    with pytest.raises(AssertionError) as stuck:
        run_job(Asks())
    assert "gate 'review' asks 'Is 7 good?'" in str(stuck.value)
    assert "decisions={'review': Decision(approved=True, by='me')}" in str(stuck.value)


def test_a_job_reads_and_writes_the_blobs_it_is_given_and_resumes_after_a_phase():
    blobs = MemoryBlobs()
    source = BlobRef("bronze/texts/a.txt")
    blobs.write(source, b"hello")
    run = run_job(Copies(source=source), blobs=blobs, expect=JobStatus.COMPLETED)
    assert run.result == BlobRef("silver/copies/a.txt")
    assert blobs.read(run.result) == b"HELLO"
    assert CALLS == ["hello", "hello"]


def test_large_results_come_back_whole():
    """R18."""

    class Verbose(JobBase):
        @single
        def talk(self, ctx: Context) -> str:
            return "x" * 200_000

    assert len(run_job(Verbose()).result) == 200_000


def test_a_handler_that_returns_what_it_does_not_promise_is_found_out():
    class Liar(JobBase):
        @single
        def lie(self, ctx: Context) -> int:
            return "seven"

    run = run_job(Liar(), expect=JobStatus.FAILED)
    assert run.error["code"] == "bad_result"
    assert "not what its annotation promises" in run.error["message"]


def test_handlers_are_ordinary_functions():
    assert HelloWorld().greet(Context(), "Ada") == "Hello, Ada!"
    assert HelloWorld().count(Context(), ["a", "b"]) == 2
    failures = Results(0, lambda: iter(()), lambda: iter([Failure(2, "odd")]))
    assert Lenient().report(Context(), failures) == ["2: odd"]
    with pytest.raises(ShuttingDown):
        Context(checker=_stop).check()


def _stop() -> None:
    raise ShuttingDown("now")
