"""What people may do to a job, and what each of these verbs comes to in each status. Everything else is told why not."""

from __future__ import annotations

from enum import StrEnum

from core.errors import Conflict, JobEnded, JobStillRunning, NeedsForce
from core.states import JobStatus


class Verb(StrEnum):
    """What can be done to a job."""

    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    RESUBMIT = "resubmit"
    REPLAY = "replay"
    RETRY = "retry"
    DELETE = "delete"
    DECIDE = "decide"


class Ruling(StrEnum):
    """What a verb comes to: it acts, it finds its work done, it acts when forced, or it is refused."""

    ACTS = "acts"
    DONE = "done"
    FORCED = "forced"
    REFUSED = "refused"


A, D, F, R = Ruling.ACTS, Ruling.DONE, Ruling.FORCED, Ruling.REFUSED
_ORDER = (
    JobStatus.QUEUED,
    JobStatus.PROCESSING,
    JobStatus.PAUSED,
    JobStatus.COMPLETED,
    JobStatus.COMPLETED_WITH_ERRORS,
    JobStatus.FAILED,
    JobStatus.CANCELLED,
)
RULINGS: dict[Verb, dict[JobStatus, Ruling]] = {
    verb: dict(zip(_ORDER, rulings, strict=True))
    for verb, rulings in {
        Verb.CANCEL: (A, A, A, R, R, R, D),
        Verb.PAUSE: (A, A, D, R, R, R, R),
        Verb.RESUME: (D, D, A, R, R, R, R),
        Verb.RESUBMIT: (R, R, R, F, F, A, A),
        Verb.REPLAY: (R, R, R, A, A, A, A),
        Verb.RETRY: (R, R, R, R, A, A, R),
        Verb.DELETE: (R, R, R, A, A, A, A),
        Verb.DECIDE: (A, A, A, R, R, R, R),
    }.items()
}

ENDED: dict[Verb, str] = {
    Verb.CANCEL: "there is nothing left to cancel",
    Verb.PAUSE: "there is nothing left to pause",
    Verb.RESUME: "resubmit it, or replay it from a stage",
    Verb.RETRY: "resubmit it, or replay it from a stage",
    Verb.DECIDE: "its gates are closed",
}
RUNNING: dict[Verb, str] = {
    Verb.RESUBMIT: "it can be resubmitted once it has ended; cancel it first",
    Verb.REPLAY: "it can be replayed once it has ended; cancel it first",
    Verb.RETRY: "a task can be retried by hand once its job has ended",
    Verb.DELETE: "it can be deleted once it has ended; cancel it first",
}


def rule(verb: Verb, job_id: str, status: JobStatus, *, force: bool = False) -> bool:
    """Whether the verb has something to do; False when that is done already. Raises what forbids it."""
    match RULINGS[verb][status]:
        case Ruling.DONE:
            return False
        case Ruling.ACTS:
            return True
        case Ruling.FORCED if force:
            return True
        case Ruling.FORCED:
            raise NeedsForce(f"Job {job_id} is {status}; force it to run again nevertheless")
        case Ruling.REFUSED:
            raise _refusal(verb, job_id, status)


def _refusal(verb: Verb, job_id: str, status: JobStatus) -> Conflict:
    if status.is_final:
        return JobEnded(f"Job {job_id} is {status}; {ENDED[verb]}")
    return JobStillRunning(f"Job {job_id} is {status}; {RUNNING[verb]}")
