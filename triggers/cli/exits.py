"""What the exit codes mean."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coremachine_client import ClientError


class Code(IntEnum):
    """The exit codes; docs/reference/cli.md tells them to people."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    NOT_ALLOWED = 5
    UNREACHABLE = 6
    TIMEOUT = 7
    SERVER = 8
    WITH_ERRORS = 9
    INTERRUPTED = 130


ENDS = {
    "completed": Code.OK,
    "completed_with_errors": Code.WITH_ERRORS,
    "failed": Code.FAILED,
    "cancelled": Code.FAILED,
}
"""How a job ended, as the exit code of a command that waited for it."""

ERRORS = {
    "WaitedTooLong": Code.TIMEOUT,
    "JobFailed": Code.FAILED,
    "Unreachable": Code.UNREACHABLE,
    "Unavailable": Code.UNREACHABLE,
    "TooManyRequests": Code.UNREACHABLE,
    "Unauthorised": Code.NOT_ALLOWED,
    "Forbidden": Code.NOT_ALLOWED,
    "NotFound": Code.NOT_FOUND,
    "Conflict": Code.CONFLICT,
    "AmbiguousId": Code.USAGE,
    "NoBlobName": Code.USAGE,
    "BadRequest": Code.USAGE,
}


def code_of(error: ClientError) -> Code:
    """The exit code for an error of the client."""
    names = [kind.__name__ for kind in type(error).__mro__]
    return next((ERRORS[name] for name in names if name in ERRORS), Code.SERVER)
