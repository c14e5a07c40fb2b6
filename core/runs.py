"""When submitting a job that exists begins another run of it."""

from __future__ import annotations

from core.errors import JobStillRunning
from core.ports import RunRow
from core.states import JobStatus


def needs_new_run(run: RunRow, *, force: bool) -> bool:
    """Whether submitting a job that exists begins another run of it."""
    if run.status in (JobStatus.FAILED, JobStatus.CANCELLED):
        return True
    if force and not run.status.is_final:
        raise JobStillRunning(
            f"Job {run.job_id} is {run.status}; it can be forced again once it has ended or was cancelled"
        )
    return force
