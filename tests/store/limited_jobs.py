"""Jobs that may not start whenever they like."""

from datetime import timedelta

from core import Context, JobBase, Retry, fan_in, fan_out, keep_going, single
from core.admission.terms import Concurrency

ONCE = Retry(attempts=1)
MINUTE = timedelta(minutes=1)


class Turns(JobBase, concurrency="{collection}"):
    """One at a time for each collection."""

    collection: str | None = "hills"
    label: str = ""

    @single(retry=ONCE)
    def write(self, ctx: Context) -> str:
        return self.label


class Pairs(JobBase, concurrency=Concurrency("{collection}", at_most=2)):
    """Two at a time for each collection."""

    collection: str = "hills"
    label: str = ""

    @single(retry=ONCE)
    def write(self, ctx: Context) -> str:
        return self.label


class SharedOne(JobBase, concurrency=Concurrency("{table}", shared=True)):
    """Takes turns with another job type."""

    table: str = "geo"
    label: str = ""

    @single(retry=ONCE)
    def write(self, ctx: Context) -> str:
        return self.label


class SharedOther(JobBase, concurrency=Concurrency("{table}", shared=True)):
    """Takes turns with another job type."""

    table: str = "geo"
    label: str = ""

    @single(retry=ONCE)
    def write(self, ctx: Context) -> str:
        return self.label


class Paced(JobBase, rate="2/minute"):
    """Two a minute."""

    label: str = ""

    @single
    def call(self, ctx: Context) -> str:
        return self.label


class PacedKeys(JobBase, concurrency=Concurrency("{host}", at_most=None, rate="1/minute")):
    """One a minute for each host, however many run."""

    host: str
    label: str = ""

    @single
    def call(self, ctx: Context) -> str:
        return self.label


class Brief(JobBase, timeout=MINUTE):
    """The whole run has a minute."""

    label: str = ""

    @single
    def first(self, ctx: Context) -> int:
        return 1

    @single(first)
    def second(self, ctx: Context, one: int) -> int:
        return one


class BriefStage(JobBase):
    """Its fan-out has a minute for all of its tasks, and may lose half of them."""

    n: int = 4

    def numbers(self) -> list[int]:
        return list(range(self.n))

    @fan_out(each=numbers, within=MINUTE, on_failure=keep_going(0.5))
    def echo(self, ctx: Context, i: int) -> int:
        return i

    @fan_in(echo)
    def total(self, ctx: Context, echoes: list[int]) -> int:
        return sum(echoes)


ALL = (Turns, Pairs, SharedOne, SharedOther, Paced, PacedKeys, Brief, BriefStage)
