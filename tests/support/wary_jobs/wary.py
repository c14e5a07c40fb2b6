"""A job whose module takes its time to be imported, and cannot be used where another thread imports meanwhile."""

import sys
import time

from core import Context, JobBase, single

before = set(sys.modules)
time.sleep(0.5)
if meanwhile := sorted(set(sys.modules) - before):
    raise ImportError(f"imported meanwhile: {', '.join(meanwhile[:5])}")


class Wary(JobBase):
    """Returns 1."""

    @single
    def act(self, ctx: Context) -> int:
        return 1
