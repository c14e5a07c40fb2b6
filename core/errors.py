"""Everything that can go wrong, each with its code, its HTTP status and whether trying again can help."""

from datetime import timedelta
from typing import ClassVar


class CoreMachineError(Exception):
    """Something went wrong inside CoreMachine."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False


class JobDefinitionError(CoreMachineError):
    """A job class is wrong. Raised at import, so it never reaches production."""

    code = "job_definition"


class UnknownJobType(CoreMachineError):
    """No job of that type is installed."""

    code, status = "unknown_job_type", 404


class NothingThere(CoreMachineError):
    """No route answers at that address."""

    code, status = "not_found", 404


class JobNotFound(CoreMachineError):
    """No job has that id."""

    code, status = "job_not_found", 404


class TaskNotFound(CoreMachineError):
    """No task has that id."""

    code, status = "task_not_found", 404


class BadInput(CoreMachineError):
    """The caller's data is wrong; trying again cannot help."""

    code, status = "bad_input", 422


class InvalidParameters(BadInput):
    """The parameters do not fit the job."""

    code = "invalid_parameters"

    def __init__(self, message: str, errors: list[dict[str, object]]) -> None:
        super().__init__(message)
        self.errors = errors


class MalformedBody(CoreMachineError):
    """The request body is not the JSON object it should be."""

    code, status = "malformed_body", 400


class BodyTooLarge(CoreMachineError):
    """The request body is larger than this service accepts."""

    code, status = "body_too_large", 413


class Conflict(CoreMachineError):
    """What was asked does not fit the state things are in."""

    code, status = "conflict", 409


class JobStillRunning(Conflict):
    """The job is still running, so it cannot be run again yet."""

    code = "job_still_running"


class JobEnded(Conflict):
    """The job has ended, so this can no longer be done to it."""

    code = "job_ended"


class NeedsForce(Conflict):
    """The job has ended well, so it runs again only when it is forced."""

    code = "needs_force"


class JobDeleting(Conflict):
    """The job is being deleted."""

    code = "job_deleting"


class PlanChanged(Conflict):
    """The job type has other stages than the run had, so nothing of the run can be carried over."""

    code = "plan_changed"


class NotReplayable(Conflict):
    """A stage cannot be replayed, because one that it depends on has not closed."""

    code = "not_replayable"


class TaskNotFailed(Conflict):
    """Only a task that failed can be retried."""

    code = "task_not_failed"


class ResultNotReady(Conflict):
    """The job has no result yet."""

    code = "result_not_ready"


class ScheduleNotFound(CoreMachineError):
    """No schedule has that name."""

    code, status = "schedule_not_found", 404


class ScheduleExists(Conflict):
    """A schedule has that name already."""

    code = "schedule_exists"


class ScheduleOfClass(Conflict):
    """The schedule belongs to a job class, which alone can change it."""

    code = "schedule_of_class"


class TemplateNotFound(CoreMachineError):
    """No template has that name, or that version."""

    code, status = "template_not_found", 404


class BatchNotFound(CoreMachineError):
    """No batch has that id."""

    code, status = "batch_not_found", 404


class StageNotFound(BadInput):
    """The job has no stage of that name."""

    code = "stage_not_found"


class BlobNotFound(CoreMachineError):
    """No blob has that name."""

    code, status = "blob_not_found", 404


class BlobExists(Conflict):
    """A blob has that name already, and it was not to be replaced."""

    code = "blob_exists"


class UploadNotFound(CoreMachineError):
    """No upload in pieces has that id."""

    code, status = "upload_not_found", 404


class ContentDiffers(BadInput):
    """What arrived is not what its sender said it would be."""

    code = "content_differs"


class CollectionNotFound(BadInput):
    """The catalog has no such collection."""

    code, status = "collection_not_found", 404


class ItemNotFound(CoreMachineError):
    """The catalog has no such item."""

    code, status = "item_not_found", 404


class BlobChanged(Conflict):
    """The blob is not the one the caller saw: it exists already, or it was changed meanwhile."""

    code = "blob_changed"


class TooLarge(BadInput):
    """A value is larger than its limit."""

    code = "too_large"


class BadResult(CoreMachineError):
    """A task handed back something its stage does not promise. A bug in the job: never retried."""

    code = "bad_result"


class BadMessage(CoreMachineError):
    """A queue message that is not one of ours. It is set aside, never retried."""

    code = "bad_message"


class ServiceUnavailable(CoreMachineError):
    """A service this one depends on does not answer. Try again in a moment."""

    code, status, retryable = "service_unavailable", 503, True


class ProcessDied(CoreMachineError):
    """The process that ran the task died, and nothing else did: the task's own code, or a library of it, crashed."""

    code, retryable = "process_died", True


class TaskTimeout(CoreMachineError):
    """The task said nothing for longer than its stage's timeout, and was stopped."""

    code, retryable = "task_timeout", True


class OutOfMemory(CoreMachineError):
    """The task wanted more memory than one task may have. The second time in a row it fails for good."""

    code, retryable = "out_of_memory", True


class ScratchFull(CoreMachineError):
    """The disk for temporary files was full. Another worker, or this one later, may have room."""

    code, retryable = "scratch_full", True


class NotImportable(CoreMachineError):
    """The process for heavy tasks cannot import the job's module by its name."""

    code = "not_importable"


class RetryLater(CoreMachineError):
    """Raise inside a task to try again after a delay without counting an attempt."""

    code, retryable = "retry_later", True

    def __init__(self, delay: timedelta, reason: str) -> None:
        super().__init__(reason)
        self.delay = delay


class Cancelled(CoreMachineError):
    """Raised by `ctx.check()`: this task was taken away, its outcome no longer counts."""

    code = "cancelled"


class ShuttingDown(CoreMachineError):
    """Raised by `ctx.check()`: the worker is stopping; the task is given back, no attempt counted."""

    code, retryable = "shutting_down", True


class Unauthenticated(CoreMachineError):
    """Nobody knows who calls: the request has no credential, or one that is not good."""

    code, status = "unauthenticated", 401


class Forbidden(CoreMachineError):
    """The caller is known, and may not do this."""

    code, status = "forbidden", 403


class ForeignRequest(CoreMachineError):
    """An installation without identity answers requests from its own machine only."""

    code, status = "foreign_request", 403


class RateLimited(CoreMachineError):
    """The caller asks too often."""

    code, status, retryable = "rate_limited", 429, True

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class IdentityNotConfigured(CoreMachineError):
    """Nobody has said who may call. Set CM_IDENTITY or CM_ENTRA_TENANT."""

    code, status = "identity_not_configured", 503


class KeyNotFound(CoreMachineError):
    """No API key has that id."""

    code, status = "key_not_found", 404
