"""A job whose tasks publish blobs: written under a temporary name, promoted when whole."""

from datetime import timedelta
from pathlib import Path

from core import BlobRef, Context, JobBase, Retry, fan_in, fan_out
from core.blobs import Zone
from core.errors import BlobChanged
from tests.support.fault_jobs.patience import wait_for

PATIENT = Retry(attempts=10, delay=timedelta(seconds=0.1), always=(BlobChanged,))


class Publisher(JobBase):
    """Publish a few blobs. With a folder, every attempt waits there for `go-n` before it promotes."""

    container: str
    blobs: int = 3
    folder: str = ""

    def numbers(self) -> list[int]:
        return list(range(self.blobs))

    @fan_out(each=numbers, retry=PATIENT)
    def publish(self, ctx: Context, n: int) -> str:
        final = BlobRef.of(Zone.SILVER, self.container, f"{n}.txt")
        staged = ctx.blobs.staged(final, ctx.token)
        ctx.blobs.write(staged, f"{n} by attempt {ctx.attempt}".encode())
        if self.folder:
            (Path(self.folder) / f"begun-{ctx.attempt}").touch()
            wait_for(Path(self.folder) / f"go-{ctx.attempt}", ctx, polite=False)
        return str(ctx.blobs.promote(staged, final, only_if_new=bool(self.folder)).ref)

    @fan_in(publish)
    def names(self, ctx: Context, names: list[str]) -> list[str]:
        return names
