"""A job that passes through every kind of stage, so that a worker can die anywhere in it."""

from datetime import timedelta

from core import Context, JobBase, Retry, fan_in, fan_out, single

PATIENT = Retry(attempts=30, delay=timedelta(seconds=0.1))


class Relay(JobBase):
    """Number some legs, double each, add them up, announce the sum."""

    legs: int = 12
    label: str = ""

    def starts(self) -> list[int]:
        return list(range(self.legs))

    @fan_out(each=starts, retry=PATIENT)
    def run(self, ctx: Context, leg: int) -> int:
        return leg + 1

    @fan_out(run, retry=PATIENT)
    def double(self, ctx: Context, leg: int) -> int:
        return 2 * leg

    @fan_in(double, retry=PATIENT)
    def add(self, ctx: Context, legs: list[int]) -> int:
        return sum(legs)

    @single(add, retry=PATIENT)
    def announce(self, ctx: Context, total: int) -> str:
        return f"{self.legs} legs, {total} steps"

    @property
    def expected(self) -> str:
        return f"{self.legs} legs, {self.legs * (self.legs + 1)} steps"
