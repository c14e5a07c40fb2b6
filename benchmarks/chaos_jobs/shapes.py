"""Jobs of different shapes: wide, branching, tolerant, moody."""

import random
from datetime import timedelta

from core import BadInput, Context, JobBase, Results, Retry, RetryLater, fan_in, fan_out, single
from core import keep_going as go_on

PATIENT = Retry(attempts=1_000, delay=timedelta(seconds=0.2), longest=timedelta(seconds=1))


class Wide(JobBase):
    """Number n tasks, add them up, hand the sum on."""

    label: str
    n: int

    def numbers(self) -> list[int]:
        return list(range(self.n))

    @fan_out(each=numbers, retry=PATIENT)
    def count(self, ctx: Context, i: int) -> int:
        return 3 * i + 1

    @fan_in(count, retry=PATIENT)
    def add(self, ctx: Context, values: Results[int]) -> int:
        return sum(values)

    @single(add, retry=PATIENT)
    def hand_on(self, ctx: Context, total: int) -> int:
        return total

    @property
    def expected(self) -> tuple[str, object]:
        return "completed", sum(3 * i + 1 for i in range(self.n))


class Branching(JobBase):
    """Two branches side by side, one of them a fan-out over a fan-out, joined at the end."""

    label: str
    n: int

    def numbers(self) -> list[int]:
        return list(range(self.n))

    def tenth(self, total: int) -> list[int]:
        return list(range(total % 10))

    @fan_out(each=numbers, retry=PATIENT)
    def left(self, ctx: Context, i: int) -> int:
        return i

    @single(after=(), retry=PATIENT)
    def right(self, ctx: Context) -> int:
        return 7

    @fan_out(left, after=(left,), retry=PATIENT)
    def doubled(self, ctx: Context, i: int) -> int:
        return 2 * i

    @fan_out(right, each=tenth, after=(right,), retry=PATIENT)
    def sides(self, ctx: Context, i: int) -> int:
        return i

    @fan_in(doubled, sides, retry=PATIENT)
    def join(self, ctx: Context, doubled: list[int], sides: list[int]) -> list[int]:
        return [sum(doubled), sum(sides)]

    @property
    def expected(self) -> tuple[str, object]:
        return "completed", [self.n * (self.n - 1), 21]


class Tolerant(JobBase):
    """Every fifth task fails for good; the job goes on without them."""

    label: str
    n: int

    def numbers(self) -> list[int]:
        return list(range(self.n))

    @fan_out(each=numbers, retry=PATIENT, on_failure=go_on(up_to=0.5))
    def sift(self, ctx: Context, i: int) -> int:
        if i % 5 == 4:
            raise BadInput(f"{i} cannot be used")
        return i

    @fan_in(sift, retry=PATIENT)
    def gather(self, ctx: Context, values: Results[int]) -> list[int]:
        return [sum(values), sum(1 for _ in values.failures)]

    @property
    def expected(self) -> tuple[str, object]:
        bad = [i for i in range(self.n) if i % 5 == 4]
        return "completed_with_errors", [sum(range(self.n)) - sum(bad), len(bad)]


class Moody(JobBase):
    """Tasks that are not ready at first, and then fail now and then."""

    label: str
    n: int

    def numbers(self) -> list[int]:
        return list(range(self.n))

    @fan_out(each=numbers, retry=PATIENT)
    def coax(self, ctx: Context, i: int) -> int:
        if ctx.attempt == 1:
            raise RetryLater(timedelta(seconds=0.3), "not ready yet")
        if random.random() < 0.2:  # noqa: S311 - bad luck, not a secret
            raise ConnectionError("bad luck")
        return i

    @fan_in(coax, retry=PATIENT)
    def gather(self, ctx: Context, values: list[int]) -> int:
        return sum(values)

    @property
    def expected(self) -> tuple[str, object]:
        return "completed", self.n * (self.n - 1) // 2


ChaosJob = Wide | Branching | Tolerant | Moody


def any_job(dice: random.Random, number: int) -> ChaosJob:
    """Some job that nobody has submitted before."""
    label = f"job {number}"
    kind = dice.choice([Wide, Wide, Branching, Tolerant, Moody])
    return kind(
        label=label, n=dice.choice([0, 1, 20, 300, 1_000]) if kind is Wide else dice.randint(5, 60)
    )
