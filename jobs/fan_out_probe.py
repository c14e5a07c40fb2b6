"""A job that does nothing, much: for benchmarks and crash tests."""

import time

from pydantic import BaseModel, ConfigDict, Field

from core import Context, JobBase, Results, fan_in, fan_out, single


class Echo(BaseModel):
    """What one no-op task gives back: its number, a value made of it, and when it ran."""

    model_config = ConfigDict(frozen=True)

    i: int
    v: int
    t: float


class Sum(BaseModel):
    """What all of them give together."""

    model_config = ConfigDict(frozen=True)

    count: int
    sum: int
    t0: float
    t1: float
    agg_t: float
    t2: float = 0.0


class FanOutProbe(JobBase):
    """Run n no-op tasks, add their values up, and hand the sum through a second stage."""

    n: int = Field(default=1_000, ge=0, le=1_000_000)
    """How many tasks."""
    label: str = ""
    """Anything, to tell one probe from another."""

    def numbers(self) -> list[int]:
        return list(range(self.n))

    @fan_out(each=numbers)
    def echo(self, ctx: Context, i: int) -> Echo:
        return Echo(i=i, v=3 * i + 1, t=time.time())

    @fan_in(echo)
    def add(self, ctx: Context, echoes: Results[Echo]) -> Sum:
        total, first, last = 0, float("inf"), 0.0
        for echo in echoes:
            total, first, last = total + echo.v, min(first, echo.t), max(last, echo.t)
        return Sum(
            count=len(echoes), sum=total, t0=min(first, time.time()), t1=last, agg_t=time.time()
        )

    @single(add)
    def hand_on(self, ctx: Context, added: Sum) -> Sum:
        return added.model_copy(update={"t2": time.time()})
