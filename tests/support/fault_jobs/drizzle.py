"""Very many short tasks that take the same time each, so that their rate tells how well workers do."""

import time
from datetime import timedelta

from core import Context, JobBase, Results, Retry, fan_in, fan_out

PATIENT = Retry(attempts=30, delay=timedelta(seconds=0.1))


class Drizzle(JobBase):
    """Sleep a little in every task, then count the tasks."""

    tasks: int
    seconds: float = 0.005

    def drops(self) -> list[int]:
        return list(range(self.tasks))

    @fan_out(each=drops, retry=PATIENT)
    def fall(self, ctx: Context, n: int) -> int:
        time.sleep(self.seconds)
        return n

    @fan_in(fall, retry=PATIENT)
    def collect(self, ctx: Context, drops: Results[int]) -> int:
        return sum(drops)

    @property
    def expected(self) -> int:
        return self.tasks * (self.tasks - 1) // 2
