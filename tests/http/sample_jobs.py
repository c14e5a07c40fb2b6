"""Small jobs that the tests of the web app submit."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from core import BlobRef, Context, JobBase, Results, Retry, fan_in, fan_out, keep_going, single


class Square(BaseModel):
    """A number and its square."""

    model_config = ConfigDict(frozen=True)

    n: int
    square: int


class Squares(JobBase):
    """Square the numbers below n; its last stage is a fan-out."""

    n: int = Field(ge=0, le=100_000)
    """How many numbers."""

    def numbers(self) -> list[int]:
        return list(range(self.n))

    @fan_out(each=numbers)
    def square(self, ctx: Context, n: int) -> Square:
        """Square one number."""
        return Square(n=n, square=n * n)


class Choosy(JobBase):
    """Takes one parameter of each kind."""

    count: int = Field(ge=1, le=10)
    ratio: float = 0.5
    flag: bool = False
    label: str = Field(default="x", min_length=1, max_length=20)
    mode: Literal["fast", "good"] = "fast"
    names: list[str] = []

    @single
    def repeat(self, ctx: Context) -> str:
        return self.label * self.count


class Relay(JobBase):
    """Double each number, then add one to each, then add all up."""

    n: int = 3
    bad: int = -1
    """The number that cannot be doubled."""

    def numbers(self) -> list[int]:
        return list(range(self.n))

    @fan_out(each=numbers, retry=Retry(attempts=1), on_failure=keep_going(0.5))
    def double(self, ctx: Context, n: int) -> int:
        if n == self.bad:
            raise ValueError(f"{n} cannot be doubled; see /etc/secret")
        return 2 * n

    @fan_out(double)
    def increase(self, ctx: Context, n: int) -> int:
        return n + 1

    @fan_in(increase)
    def total(self, ctx: Context, numbers: Results[int]) -> int:
        return sum(numbers)


class Copying(JobBase):
    """Copies a blob, and fails after that if it is told to."""

    source: BlobRef
    fails: bool = False

    @single(retry=Retry(attempts=1))
    def copy(self, ctx: Context) -> BlobRef:
        made = ctx.blobs.write(BlobRef(f"{self.source}-copy"), ctx.blobs.read(self.source))
        if self.fails:
            raise ValueError("told to fail")
        return made.ref


class Failing(JobBase):
    """Fails at once."""

    label: str = ""

    @single(retry=Retry(attempts=1))
    def fail(self, ctx: Context) -> str:
        raise ValueError("there is no coordinate system; pass source_crs")

    @single(fail)
    def never(self, ctx: Context, text: str) -> str:
        return text


class Long(JobBase):
    """Gives a result too long for a database row."""

    size: int = 200_000

    @single
    def write(self, ctx: Context) -> str:
        return "x" * self.size


class Ticking(JobBase, schedule="@yearly"):
    """Is submitted by itself."""

    @single
    def tick(self, ctx: Context) -> int:
        return 1


class Talker(JobBase):
    """Tells what it does."""

    n: int = 3

    def numbers(self) -> list[int]:
        return list(range(self.n))

    @fan_out(each=numbers, retry=Retry(attempts=1))
    def talk(self, ctx: Context, n: int) -> int:
        ctx.log.info("number %d", n)
        if n % 2:
            ctx.log.warning("odd: %d", n)
        return n


class Explosive(JobBase):
    """Cannot even be looked at."""

    @single
    def explode(self, ctx: Context) -> str:
        return ""

    @property
    def fingerprint(self) -> str:
        raise RuntimeError("select * from app.jobs on db.internal:5432 at /work/secret.py")


JOBS = (Squares, Choosy, Copying, Relay, Failing, Long, Ticking)
