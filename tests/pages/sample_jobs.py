"""Small jobs that the tests of the pages submit."""

from threading import Event
from typing import Literal

from pydantic import Field

from core import BlobRef, Context, JobBase, Retry, fan_in, fan_out, gate, single
from core.stages import Decision

MENDED = Event()


class Survey(JobBase):
    """Takes one parameter of each kind; fans out, and back in."""

    area: str = Field(min_length=1, max_length=2000)
    """What is surveyed."""
    source: BlobRef | None = None
    """A raster to begin with."""
    parts: int = Field(default=3, ge=1, le=1000)
    """How many parts it is cut into."""
    mode: Literal["fast", "good"] = "fast"
    keep: bool = True
    """Keep what is between."""
    tags: list[str] = []
    layers: list[Literal["water", "roads"]] = ["water"]
    bbox: tuple[float, float, float, float] | None = None
    share: float = 0.5
    more: dict[str, int] = {}

    def each_part(self) -> list[int]:
        return list(range(self.parts))

    @fan_out(each=each_part)
    def measure(self, ctx: Context, part: int) -> int:
        ctx.log.info("measuring part %d of %s", part, self.area)
        return part

    @fan_in(measure)
    def add(self, ctx: Context, parts: list[int]) -> int:
        return sum(parts)


class Fragile(JobBase):
    """Fails until a test mends it."""

    name: str = "x"

    @single(retry=Retry(attempts=1))
    def check(self, ctx: Context) -> str:
        if not MENDED.is_set():
            raise ValueError(f"{self.name} is not mended yet")
        return self.name


class Reviewed(JobBase):
    """Waits for somebody to look at it."""

    name: str = "x"

    @single
    def prepare(self, ctx: Context) -> str:
        return self.name

    @gate(prepare)
    def review(self, ctx: Context, name: str) -> str:
        return f"Is {name} good?"

    @single(review)
    def publish(self, ctx: Context, decision: Decision) -> str:
        return f"{self.name}, by {decision.by}"


JOBS = (Survey, Fragile, Reviewed)
