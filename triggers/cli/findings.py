"""What the doctor finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

NEAR, FAR = 5.0, 60.0
"""Seconds between two clocks that deserve a look, and that break signed links and tokens."""


class State(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, and what to do about it."""

    what: str
    state: State
    told: str
    advice: str = ""

    def document(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "state": self.state.value,
            "told": self.told,
            "advice": self.advice or None,
        }


def ok(what: str, told: str) -> Finding:
    return Finding(what, State.OK, told)


def warn(what: str, told: str, advice: str = "") -> Finding:
    return Finding(what, State.WARN, told, advice)


def fail(what: str, told: str, advice: str = "") -> Finding:
    return Finding(what, State.FAIL, told, advice)


def skip(what: str, told: str) -> Finding:
    return Finding(what, State.SKIP, told)


def skew(what: str, seconds: float) -> Finding:
    """How far a clock is from ours; positive when it is ahead."""
    told = f"{abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} this machine"
    advice = "Set the clocks by NTP on both machines: links and tokens are good for a time."
    if abs(seconds) >= FAR:
        return fail(what, told, advice)
    if abs(seconds) >= NEAR:
        return warn(what, told, advice)
    return ok(what, "agrees with this machine")
