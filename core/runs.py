"""When submitting a job that exists begins another run of it."""

from __future__ import annotations

from core.errors import JobDeleting, JobStillRunning
from core.ports import RunRow
from core.states import JobStatus


def needs_new_run(run: RunRow, *, force: bool, deleting: bool = False) -> bool:
    """Whether submitting a job that exists begins another run of it."""
    if deleting:
        raise JobDeleting(f"Job {run.job_id} is being deleted; submit it again in a moment")
    if run.status in (JobStatus.FAILED, JobStatus.CANCELLED):
        return True
    if force and not run.status.is_final:
        raise JobStillRunning(
            f"Job {run.job_id} is {run.status}; it can be forced again once it has ended or was cancelled"
        )
    return force
