"""A task that logs, as a library that it uses does, and goes on until a test lets it end."""

import logging
import threading
import time
from datetime import timedelta
from pathlib import Path

from core import HEAVY, Context, JobBase, Retry, single
from tests.support.fault_jobs.patience import wait_for

SECRET = "hunter2"


class Scribbler(JobBase):
    """Attempt n waits for `go-n`."""

    folder: str

    @single(retry=Retry(attempts=5, delay=timedelta(seconds=0.1)))
    def write(self, ctx: Context) -> int:
        return scribble(ctx, self.folder)


class HeavyScribbler(JobBase):
    """The same, in a process of its own."""

    folder: str

    @single(retry=Retry(attempts=5, delay=timedelta(seconds=0.1)), queue=HEAVY)
    def write(self, ctx: Context) -> int:
        return scribble(ctx, self.folder)


class Chatterbox(JobBase):
    """Talks without end, and says nothing to its worker otherwise."""

    @single(retry=Retry(attempts=1), queue=HEAVY, timeout=timedelta(seconds=10))
    def talk(self, ctx: Context) -> int:
        while True:
            ctx.log.info("still here")
            time.sleep(0.01)


def scribble(ctx: Context, folder: str) -> int:
    ctx.log.info("attempt %d begins with password=%s", ctx.attempt, SECRET)
    logging.getLogger("some.library").warning("a library\nwarns")
    helper = threading.Thread(target=ctx.log.info, args=("from a thread",))
    helper.start()
    helper.join()
    wait_for(Path(folder) / f"go-{ctx.attempt}", ctx, polite=True)
    ctx.log.warning("attempt %d ends", ctx.attempt)
    return ctx.attempt
