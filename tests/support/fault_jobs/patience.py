"""A task that goes on until a test lets it end."""

import time
from datetime import timedelta
from pathlib import Path

from core import BlobRef, Context, JobBase, Retry, single


def wait_for(path: Path, ctx: Context, *, polite: bool) -> None:
    while not path.exists():
        if polite:
            ctx.check()
        time.sleep(0.01)


class Patience(JobBase):
    """Attempt n says so in `begun-n`, then waits for `go-n`. The answer names the attempts of its phases."""

    folder: str
    polite: bool = True
    """Whether it stops at safe points when told to."""

    @single(retry=Retry(attempts=5, delay=timedelta(seconds=0.1)))
    def wait(self, ctx: Context) -> list[int]:
        def survey() -> int:
            return ctx.attempt

        first = ctx.once("survey", survey)
        folder = Path(self.folder)
        (folder / f"begun-{ctx.attempt}").touch()
        wait_for(folder / f"go-{ctx.attempt}", ctx, polite=self.polite)
        (folder / f"ended-{ctx.attempt}").touch()
        return [first, ctx.attempt]


class Snail(JobBase):
    """Takes its time, whatever happens meanwhile."""

    seconds: float

    @single
    def crawl(self, ctx: Context) -> int:
        time.sleep(self.seconds)
        return ctx.attempt


class Draft(JobBase):
    """A phase writes a blob; what follows waits for `go-n`, and reads it."""

    folder: str
    draft: BlobRef

    @single(retry=Retry(attempts=5, delay=timedelta(seconds=0.1)))
    def write(self, ctx: Context) -> str:
        def make() -> BlobRef:
            ctx.blobs.write(self.draft, f"made by attempt {ctx.attempt}".encode())
            return self.draft

        made = ctx.once("draft", make)
        (Path(self.folder) / f"begun-{ctx.attempt}").touch()
        wait_for(Path(self.folder) / f"go-{ctx.attempt}", ctx, polite=False)
        return ctx.blobs.read(made).decode()
