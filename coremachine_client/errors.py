"""What can go wrong for a client, each with what the server said about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coremachine_client.models import Job


class ClientError(Exception):
    """Anything that went wrong between this program and CoreMachine."""


class Unreachable(ClientError):
    """The server does not answer."""


class UnexpectedAnswer(ClientError):
    """Something answers there, but not as CoreMachine would."""


class AmbiguousId(ClientError):
    """More than one job has an id that begins so."""

    def __init__(self, prefix: str, found: list[str]) -> None:
        few = ", ".join(job_id[:16] for job_id in found)
        super().__init__(f"More than one job begins with {prefix!r}: {few}; give more of the id")
        self.found = found


class NoBlobName(ClientError, ValueError):
    """That names no blob and no container."""


class WaitedTooLong(ClientError, TimeoutError):
    """The time to wait is over, and the job has not ended. It goes on without us."""

    def __init__(self, job: Job, timeout: float) -> None:
        because = f": {job.waiting.message}" if job.waiting else ""
        super().__init__(
            f"Job {job.job_id} is still {job.status} after {timeout:g} seconds{because}"
        )
        self.job = job


class JobFailed(ClientError):
    """The job ended without a result."""

    def __init__(self, job: Job) -> None:
        why = f": {job.error.message}" if job.error else ""
        super().__init__(f"Job {job.job_id} is {job.status}{why}")
        self.job = job


class DownloadDiffers(ClientError):
    """What arrived is not what the server has: the blob was changed meanwhile, or bytes were lost."""


class Refused(ClientError):
    """The server says no, and why: `code` for programs, the message for people."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str,
        correlation_id: str = "",
        errors: list[dict[str, Any]] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.correlation_id = correlation_id
        """Names the request in the server's logs."""
        self.errors = errors or []
        """The parameters that are not right, each with its message."""
        self.retry_after = retry_after
        """Seconds after which it may be asked again."""


class BadRequest(Refused):
    """The request is wrong; sending it again cannot help."""


class Unauthorised(Refused):
    """No key or token that this server knows was sent."""


class Forbidden(Refused):
    """The caller is known, and may not do that."""


class NotFound(Refused):
    """There is no such thing."""


class Conflict(Refused):
    """What was asked does not fit the state things are in."""


class TooManyRequests(Refused):
    """The server has more to do than it can take. It says when to come back."""


class ServerError(Refused):
    """The server failed."""


class Unavailable(ServerError):
    """The server, or what it depends on, is away for a moment."""


KINDS: dict[int, type[Refused]] = {
    401: Unauthorised,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: NotFound,
    412: Conflict,
    429: TooManyRequests,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def kind_of(status: int) -> type[Refused]:
    """The class of error that a status means."""
    return KINDS.get(status, ServerError if status >= 500 else BadRequest)
