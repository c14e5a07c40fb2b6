"""Jobs that may have to wait before they start, and one whose stage has its time."""

from datetime import timedelta

from core import Context, JobBase, Retry, RetryLater, single

PATIENT = Retry(attempts=30, delay=timedelta(seconds=0.1))


class Turnstile(JobBase, concurrency="{line}"):
    """One of a line at a time."""

    line: str = "a"
    number: int = 0

    @single(retry=PATIENT)
    def step(self, ctx: Context) -> int:
        return self.number


class Deadline(JobBase):
    """A stage that has its time, and whose task would take for ever."""

    @single(within=timedelta(minutes=5))
    def wait(self, ctx: Context) -> None:
        raise RetryLater(timedelta(minutes=5), "it is not here yet")
