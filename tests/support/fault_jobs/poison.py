"""Tasks that fail always, or take their whole process with them."""

import ctypes
import os
from datetime import timedelta
from typing import Literal

from core import Context, JobBase, Results, Retry, fan_in, fan_out, keep_going

TWICE = Retry(attempts=2, delay=timedelta(seconds=0.1))
Death = Literal["abort", "segfault", "exit"]


class Poison(JobBase):
    """One element in the middle is poison: the others are innocent."""

    death: Death | Literal["error"]
    tasks: int = 20

    def elements(self) -> list[int]:
        return list(range(self.tasks))

    @fan_out(each=elements, retry=TWICE, on_failure=keep_going(up_to=0.5))
    def swallow(self, ctx: Context, n: int) -> int:
        if n == self.tasks // 2:
            die(self.death)
        return n

    @fan_in(swallow, retry=TWICE)
    def survivors(self, ctx: Context, done: Results[int]) -> list[int]:
        return list(done)

    @property
    def innocents(self) -> list[int]:
        return [n for n in range(self.tasks) if n != self.tasks // 2]


class StrictPoison(JobBase):
    """A single failing task, and a stage that tolerates none."""

    tasks: int = 5

    def elements(self) -> list[int]:
        return list(range(self.tasks))

    @fan_out(each=elements, retry=TWICE)
    def swallow(self, ctx: Context, n: int) -> int:
        if n == self.tasks - 1:
            raise ConnectionError("this element fails always")
        return n

    @fan_in(swallow)
    def count(self, ctx: Context, done: list[int]) -> int:
        return len(done)


def die(death: Death | Literal["error"]) -> None:
    match death:
        case "abort":
            os.abort()
        case "segfault":
            ctypes.string_at(0)
        case "exit":
            os._exit(3)
        case "error":
            raise ConnectionError("this element fails always")
