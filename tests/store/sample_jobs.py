"""The jobs that the store's tests run: one for every shape of plan."""

from core import (
    HEAVY,
    Context,
    Decision,
    JobBase,
    Results,
    Retry,
    fan_in,
    fan_out,
    gate,
    keep_going,
    minutes,
    single,
)

ONCE = Retry(attempts=1)
TWICE = Retry(attempts=2)


class Line(JobBase):
    """One stage after the other."""

    label: str = ""

    @single(retry=TWICE)
    def first(self, ctx: Context) -> int:
        return 1

    @single(first)
    def second(self, ctx: Context, one: int) -> int:
        return one + 1


class Urgent(JobBase, priority=9):
    """Goes before all others."""

    @single
    def only(self, ctx: Context) -> int:
        return 1


class Fan(JobBase):
    """Out and in again; the job fails with the first of its tasks."""

    n: int = 3
    label: str = ""

    def numbers(self) -> list[int]:
        return list(range(self.n))

    @fan_out(each=numbers, retry=TWICE)
    def echo(self, ctx: Context, i: int) -> int:
        return i

    @fan_in(echo)
    def total(self, ctx: Context, echoes: list[int]) -> int:
        return sum(echoes)


class Wide(JobBase):
    """One fan-out, and nothing after it."""

    n: int = 3
    label: str = ""

    def numbers(self) -> list[int]:
        return list(range(self.n))

    @fan_out(each=numbers)
    def echo(self, ctx: Context, i: int) -> int:
        return i


class Tolerant(JobBase):
    """Goes on while at most half of its tasks failed, and tells who they were."""

    n: int = 4

    def numbers(self) -> list[int]:
        return list(range(self.n))

    @fan_out(each=numbers, retry=ONCE, on_failure=keep_going(0.5))
    def halve(self, ctx: Context, i: int) -> int:
        if i % 2:
            raise ValueError(f"{i} is odd")
        return i // 2

    @fan_in(halve)
    def report(self, ctx: Context, halves: Results[int]) -> dict[str, list[int]]:
        return {"halves": list(halves), "failed": [failure.index for failure in halves.failures]}


class Chain(JobBase):
    """A fan-out over a fan-out: task for task, with lineage."""

    n: int = 5

    def numbers(self) -> list[int]:
        return list(range(self.n))

    @fan_out(each=numbers, retry=ONCE, on_failure=keep_going(0.9))
    def double(self, ctx: Context, i: int) -> int:
        return 2 * i

    @fan_out(double, retry=ONCE, on_failure=keep_going(0.9))
    def trace(self, ctx: Context, doubled: int) -> list[str | int | None]:
        return [ctx.origin, doubled]

    @fan_in(trace)
    def collect(
        self, ctx: Context, traces: list[list[str | int | None]]
    ) -> list[list[str | int | None]]:
        return traces


class Diamond(JobBase):
    """Two branches that run side by side and meet."""

    label: str = ""

    @single
    def start(self, ctx: Context) -> int:
        return 1

    @single(start, retry=ONCE)
    def left(self, ctx: Context, one: int) -> int:
        return one + 1

    @single(start, retry=ONCE)
    def right(self, ctx: Context, one: int) -> int:
        return one + 2

    @single(left, right)
    def join(self, ctx: Context, left: int, right: int) -> int:
        return left + right


class Gated(JobBase):
    """Asks a person between two stages."""

    @single
    def draw(self, ctx: Context) -> int:
        return 7

    @gate(draw)
    def review(self, ctx: Context, drawn: int) -> str:
        return f"Is {drawn} good?"

    @single(review)
    def publish(self, ctx: Context, decision: Decision) -> str:
        return decision.by


class Choosy(JobBase):
    """Leaves a branch out when it is not wanted."""

    wanted: bool = False

    @single
    def look(self, ctx: Context) -> int:
        return 3

    def is_wanted(self, looked: int) -> bool:
        return self.wanted and looked > 0

    @single(look, when=is_wanted)
    def extra(self, ctx: Context, looked: int) -> int:
        return looked * 10

    @single(extra)
    def polish(self, ctx: Context, extra: int) -> int:
        return extra + 1

    @single(look, after=(polish,))
    def finish(self, ctx: Context, looked: int) -> int:
        return looked


class Fickle(JobBase):
    """Its list is another one whenever it is asked."""

    asked: int = 0

    def numbers(self) -> list[int]:
        ANSWERS.append(len(ANSWERS))
        return list(range(3 + len(ANSWERS)))

    @fan_out(each=numbers, retry=ONCE)
    def echo(self, ctx: Context, i: int) -> int:
        return i


ANSWERS: list[int] = []


class Unplannable(JobBase):
    """Cannot make its list."""

    def numbers(self) -> list[int]:
        raise ValueError("the catalogue is empty")

    @fan_out(each=numbers)
    def echo(self, ctx: Context, i: int) -> int:
        return i


class Hasty(JobBase):
    """Its task has a minute to end."""

    @single(timeout=minutes(1), retry=TWICE)
    def hurry(self, ctx: Context) -> int:
        return 1


class Marathon(JobBase):
    """A heavy task that may be lost often, and has a second for every step."""

    lap: int = 0

    @single(queue=HEAVY, timeout=minutes(1 / 60), retry=Retry(attempts=9))
    def run(self, ctx: Context) -> int:
        return 1


class Bulky(JobBase):
    """Its parameters and its results are too large for a row."""

    text: str

    @single
    def repeat(self, ctx: Context) -> str:
        return self.text * 2


ALL = (
    Line,
    Marathon,
    Urgent,
    Fan,
    Wide,
    Tolerant,
    Chain,
    Diamond,
    Gated,
    Choosy,
    Fickle,
    Unplannable,
    Hasty,
    Bulky,
)
