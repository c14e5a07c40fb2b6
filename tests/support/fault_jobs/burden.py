"""Tasks of the heavy queue that crash, hang, eat memory and leave litter."""

import ctypes
import os
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Literal

from core import (
    HEAVY,
    BlobRef,
    Context,
    JobBase,
    Results,
    Retry,
    fan_in,
    fan_out,
    keep_going,
    single,
)
from tests.support.fault_jobs.patience import wait_for
from tests.support.fault_jobs.poison import Death, die

SOON = timedelta(seconds=0.05)
TWICE = Retry(attempts=2, delay=SOON)
OFTEN = Retry(attempts=9, delay=SOON)


class Brittle(JobBase):
    """One of a few heavy tasks takes its process with it."""

    death: Death
    tasks: int = 4

    def elements(self) -> list[int]:
        return list(range(self.tasks))

    @fan_out(each=elements, queue=HEAVY, retry=TWICE, on_failure=keep_going(up_to=0.5))
    def carry(self, ctx: Context, n: int) -> int:
        if n == 1:
            die(self.death)
        return n

    @fan_in(carry)
    def survivors(self, ctx: Context, done: Results[int]) -> list[int]:
        return list(done)


class Stuck(JobBase):
    """Holds Python's lock inside a C function for much longer than it may."""

    seconds: int = 60

    @single(queue=HEAVY, retry=TWICE, timeout=timedelta(seconds=1))
    def hang(self, ctx: Context) -> int:
        hold_the_lock(self.seconds)
        return ctx.attempt


def hold_the_lock(seconds: int) -> None:
    ctypes.PyDLL(None).sleep(seconds)


class Slow(JobBase):
    """Holds Python's lock inside a C function for a while, and ends well."""

    seconds: int

    @single(queue=HEAVY)
    def crawl(self, ctx: Context) -> int:
        hold_the_lock(self.seconds)
        return ctx.attempt


class Talker(JobBase):
    """Works for longer than its timeout, but says so."""

    seconds: float

    @single(queue=HEAVY, timeout=timedelta(seconds=10))
    def talk(self, ctx: Context) -> int:
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            ctx.report(0.5, "still talking")
            time.sleep(0.05)
        return ctx.attempt


class Glutton(JobBase):
    """Takes more and more memory."""

    way: Literal["bit by bit", "at once"]
    mb: int

    @single(queue=HEAVY, retry=OFTEN)
    def eat(self, ctx: Context) -> int:
        if self.way == "at once":
            return len(bytearray(self.mb << 20))
        pieces: list[bytes] = []
        while len(pieces) < self.mb:
            pieces.append(os.urandom(1024) * 1024)
            time.sleep(0.001)
        return len(pieces)


class Litter(JobBase):
    """Leaves temporary files behind, and tells the folder where."""

    folder: str
    then: Literal["end", "exit", "wait", "full"] = "end"

    @single(queue=HEAVY, retry=TWICE)
    def drop(self, ctx: Context) -> str:
        place = Path(tempfile.mkdtemp()) / "litter"
        place.write_bytes(b"left")
        (Path(self.folder) / f"place-{ctx.attempt}").write_text(str(place))
        match self.then:
            case "exit":
                os._exit(9)
            case "wait":
                wait_for(Path(self.folder) / "go", ctx, polite=False)
            case "full":
                fill(place.with_name("much"))
            case "end":
                pass
        return str(place)


def fill(file: Path) -> None:
    with file.open("wb") as out:
        while True:
            out.write(bytes(1 << 20))


class Deaf(JobBase):
    """A heavy task that waits for `go-n`, and hears of nothing unless it is polite."""

    folder: str
    polite: bool = False
    locked: bool = False
    """Whether it waits inside C, with Python's lock."""

    @single(queue=HEAVY, retry=OFTEN)
    def wait(self, ctx: Context) -> list[int]:
        def survey() -> int:
            return ctx.attempt

        first = ctx.once("survey", survey)
        (Path(self.folder) / f"begun-{ctx.attempt}").write_text(str(os.getpid()))
        if self.locked:
            hold_the_lock(60)
        wait_for(Path(self.folder) / f"go-{ctx.attempt}", ctx, polite=self.polite)
        return [first, ctx.attempt]


class Whole(JobBase):
    """Touches everything that a Context offers."""

    source: BlobRef

    @single(queue=HEAVY)
    def touch(self, ctx: Context) -> dict[str, str]:
        ctx.log.warning("a word from the task")
        ctx.report(1.0, "all but done")
        ctx.check()
        draft = ctx.blobs.staged(self.source, ctx.token)
        ctx.blobs.write(draft, b"copied")
        ctx.blobs.promote(draft, BlobRef(f"{self.source}-copy"))
        return {
            "read": ctx.blobs.read(self.source).decode(),
            "once": ctx.once("phase", lambda: "kept"),
            "catalog": str(ctx.catalog.collection("nowhere")),
            "pid": str(os.getpid()),
        }


class Steps(JobBase):
    """Phases, each kept; attempt n waits after the phases that `until-n` names."""

    folder: str
    phases: int = 6

    @single(queue=HEAVY, retry=OFTEN)
    def walk(self, ctx: Context) -> list[int]:
        made: list[int] = []
        for n in range(self.phases):

            def phase() -> int:
                return ctx.attempt

            made.append(ctx.once(f"phase-{n}", phase))
            stop = Path(self.folder) / f"stop-{ctx.attempt}-{n}"
            if stop.exists():
                (Path(self.folder) / f"begun-{ctx.attempt}").touch()
                time.sleep(600)
        return made


class Many(JobBase):
    """Small heavy tasks, which tell the process that ran them."""

    tasks: int

    def elements(self) -> list[int]:
        return list(range(self.tasks))

    @fan_out(each=elements, queue=HEAVY)
    def tell(self, ctx: Context, n: int) -> int:
        return os.getpid()

    @fan_in(tell)
    def together(self, ctx: Context, pids: list[int]) -> list[int]:
        return pids
