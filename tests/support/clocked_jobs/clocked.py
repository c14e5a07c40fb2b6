"""A job that is submitted every minute."""

from core import Context, JobBase, single


class Clocked(JobBase, schedule="* * * * *"):
    """Does nothing, every minute."""

    @single
    def only(self, ctx: Context) -> int:
        return 1
