"""Named places in every transition where a test can make the process die.

`CM_CRASH=complete.before:2` kills the process the second time it comes by. Unarmed, a point costs
one dictionary look-up.
"""

from __future__ import annotations

import os
import signal
import threading

POINTS = frozenset(
    {
        "admit.before",
        "admit.in_transaction",
        "expire.after_note",
        "submit.in_transaction",
        "submit.after_commit",
        "claim.before",
        "claim.after",
        "complete.before",
        "complete.in_transaction",
        "settle.before",
        "close.before",
        "close.in_transaction",
        "close.after",
        "expand.before",
        "expand.between_chunks",
        "expand.before_open",
        "outbox.before_send",
        "outbox.after_send",
        "webhook.before_send",
        "webhook.after_send",
        "blob.staged",
        "blob.copied",
        "reconcile.before_close",
        "repair.in_transaction",
        "schedule.in_transaction",
        "schedule.after_commit",
        "batch.in_transaction",
        "batch.between_chunks",
        "cancel.in_transaction",
        "cancel.after_commit",
        "move.in_transaction",
        "pause.after_commit",
        "pause.between_chunks",
        "resume.after_commit",
        "resume.between_chunks",
        "begin.in_transaction",
        "begin.after_commit",
        "carry.between_chunks",
        "delete.after_mark",
        "delete.after_blobs",
        "delete.between_chunks",
    }
)

_armed: dict[str, list[int]] = {}
_lock = threading.Lock()


def arm(spec: str) -> None:
    """`name:n[:signal]`: die at the n-th passing of the point, by SIGKILL unless another signal is named."""
    name, _, rest = spec.partition(":")
    count, _, number = rest.partition(":")
    if name not in POINTS:
        raise ValueError(f"no crash point {name!r}; there are: {', '.join(sorted(POINTS))}")
    _armed[name] = [int(count or 1), int(number or signal.SIGKILL)]


def disarm() -> None:
    _armed.clear()


def crashpoint(name: str) -> None:
    if name not in _armed:
        return
    with _lock:
        _armed[name][0] -= 1
        if _armed[name][0] == 0:
            os.kill(os.getpid(), _armed[name][1])
