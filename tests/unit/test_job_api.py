"""The job API: what a job's author writes, what it means, and what is refused at once."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core import (
    Context,
    JobBase,
    Retry,
    fan_in,
    fan_out,
    keep_going,
    minutes,
    single,
)
from core.errors import InvalidParameters, JobDefinitionError, UnknownJobType
from core.machine import CoreMachine
from core.memory.blobs import MemoryBlobs
from core.memory.store import MemoryStore
from core.queues import HEAVY, LIGHT
from core.registry import Registry
from core.stages import Shape


class Report(JobBase):
    """Makes a report."""

    title: str
    pages: int = 1
    share: float = 0.5
    tags: list[str] = []

    @single
    def write(self, ctx: Context) -> str:
        return self.title


class ReportXML2PDF(JobBase, name="other_name", priority=5):
    """Has a name of its own."""

    @single
    def write(self, ctx: Context) -> str:
        return ""


class Branches(JobBase):
    """Stages in every order."""

    @single
    def one(self, ctx: Context) -> list[int]:
        return [1, 2]

    @fan_out(
        one, retry=Retry(attempts=7), timeout=minutes(3), queue=HEAVY, on_failure=keep_going(0.25)
    )
    def two(self, ctx: Context, n: int) -> int:
        return n

    @single
    def three(self, ctx: Context) -> int:
        return 3

    @single(after=())
    def four(self, ctx: Context) -> int:
        return 4

    @fan_out(two)
    def five(self, ctx: Context, n: int) -> int:
        return n

    @fan_in(five, four, after=(three,))
    def six(self, ctx: Context, fives: list[int], four: int) -> int:
        return 6


@pytest.fixture
def machine() -> CoreMachine:
    return CoreMachine(Registry.of(Report, Branches), MemoryStore(), MemoryBlobs())


# identity


def test_equal_parameters_are_the_same_job():
    """R40: also when a default is written out, or the order is another one."""
    assert Report(title="a").fingerprint == Report(tags=[], pages=1, title="a").fingerprint


@pytest.mark.parametrize(
    "other", [{"title": "b"}, {"pages": 2}, {"share": 0.25}, {"tags": ["x"]}, {"title": "a "}]
)
def test_other_parameters_are_another_job(other):
    assert Report(**{"title": "a", **other}).fingerprint != Report(title="a").fingerprint


def test_the_same_parameters_of_another_type_are_another_job():
    class Same(JobBase):
        @single
        def write(self, ctx: Context) -> str:
            return ""

    assert Same().fingerprint != Branches().fingerprint


def test_a_fingerprint_is_64_hex_digits_and_stays_what_it_is():
    """R32: users and records keep it, so it may never change."""
    job = Report(title="Übersicht")
    assert job.canonical == '{"pages":1,"share":0.5,"tags":[],"title":"Übersicht"}'
    assert job.fingerprint == "2e1b9ca70b94c4cb6d0bf4b93b8c30ae2eea6000f15a3d5a546765b05fb46492"


@given(
    st.text(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.lists(st.text())
)
def test_a_job_survives_its_journey_through_json(title, pages, share, tags):
    try:
        job = Report(title=title, pages=pages, share=share, tags=tags)
        canonical = job.canonical.encode()
    except UnicodeEncodeError:  # lone surrogates are no text
        return
    again = Report.model_validate_json(canonical)
    assert again == job
    assert again.fingerprint == job.fingerprint


def test_a_job_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        Report(title="a").title = "b"


def test_a_job_type_is_the_class_name_in_small_letters_unless_it_is_given():
    class HTTPCheck2D(JobBase):
        @single
        def check(self, ctx: Context) -> str:
            return ""

    assert HTTPCheck2D.job_type == "http_check2_d"
    assert Report.job_type == "report"
    assert (ReportXML2PDF.job_type, ReportXML2PDF.priority) == ("other_name", 5)


# the plan


def test_a_stage_waits_for_what_it_reads_or_for_the_one_before_it_or_for_what_it_is_told():
    steps = {stage.name: (stage.reads, stage.after) for stage in Branches.plan}
    assert steps == {
        "one": ((), ()),
        "two": ((0,), ()),
        "three": ((), (1,)),
        "four": ((), ()),
        "five": ((1,), ()),
        "six": ((4, 3), (2,)),
    }


def test_the_plan_keeps_what_a_stage_was_told():
    """Fault 43: numbers and names only, so that it can be stored."""
    two = Branches.plan[1]
    assert (two.shape, two.attempts, two.timeout) == (Shape.FAN_OUT, 7, timedelta(minutes=3))
    assert (two.queue, two.tolerated) == (HEAVY, 0.25)
    assert (two.planned, two.direct) == (True, False)
    five = Branches.plan[4]
    assert (five.planned, five.direct, five.queue, five.tolerated) == (True, True, LIGHT, 0.0)
    one = Branches.plan[0]
    assert (one.planned, one.attempts) == (False, 3)
    assert [type(two).model_validate_json(s.model_dump_json()) for s in Branches.plan] == list(
        Branches.plan
    )


def test_a_stage_is_found_by_its_name():
    assert Branches.stage("five") is Branches.five
    assert Branches.stage("seven") is None


# what is refused


def test_a_job_without_stages_is_refused():
    with pytest.raises(
        JobDefinitionError, match="Idle has no stages; decorate a method with @single"
    ):

        class Idle(JobBase):
            pass


def test_a_set_is_refused_because_it_has_no_order():
    with pytest.raises(JobDefinitionError, match=r"Tagged.tags is a set.*use list"):

        class Tagged(JobBase):
            tags: set[str]

            @single
            def write(self, ctx: Context) -> str:
                return ""


@pytest.mark.parametrize("name", ["Report", "2fast", "with-hyphen", "a b", "x" * 64, "_private"])
def test_a_job_type_that_could_be_no_address_is_refused(name):
    with pytest.raises(JobDefinitionError, match="is no job type: lower case letters"):

        class Odd(JobBase, name=name):
            @single
            def write(self, ctx: Context) -> str:
                return ""


def test_a_stage_of_another_job_cannot_be_read():
    with pytest.raises(
        JobDefinitionError, match=r"Thief.take names a stage that is not written before it"
    ):

        class Thief(JobBase):
            @single(Report.write)
            def take(self, ctx: Context, text: str) -> str:
                return text


def test_a_handler_that_does_not_say_what_it_gives_is_refused():
    with pytest.raises(JobDefinitionError, match="must annotate 0 input"):

        class Silent(JobBase):
            @single
            def write(self, ctx: Context):
                return ""


def test_a_condition_that_takes_the_wrong_number_of_values_is_refused():
    with pytest.raises(JobDefinitionError):

        class Choosy(JobBase):
            @single
            def look(self, ctx: Context) -> int:
                return 1

            def is_wanted(self, one: int, two: int) -> bool:
                return one > two

            @single(look, when=is_wanted)
            def act(self, ctx: Context, looked: int) -> int:
                return looked


# parameters


def test_parameters_of_the_wrong_type_are_named(machine):
    """R16: each of them, and no string is taken for a number."""
    with pytest.raises(InvalidParameters) as wrong:
        machine.parse("report", {"title": 5, "pages": "5", "colour": "red"})
    assert wrong.value.status == 422
    for name in ("title", "pages", "colour"):
        assert name in str(wrong.value)
    assert len(wrong.value.errors) == 3


def test_a_missing_parameter_is_named(machine):
    with pytest.raises(InvalidParameters, match=r"1 parameter.* of report .*: title"):
        machine.parse("report", {})


@pytest.mark.parametrize("share", [float("nan"), float("inf")])
def test_what_is_no_number_is_refused(machine, share):
    with pytest.raises(InvalidParameters, match="share"):
        machine.parse("report", {"title": "a", "share": share})


def test_an_unknown_job_type_is_answered_with_the_nearest(machine):
    """R44."""
    with pytest.raises(
        UnknownJobType, match=r"There is no job type 'reprot'. Did you mean 'report'?"
    ):
        machine.parse("reprot", {})
    with pytest.raises(UnknownJobType, match=r"There are: branches, report."):
        machine.parse("zzz", {})
