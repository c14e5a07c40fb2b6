"""Steer jobs: cancel, pause, resume, run again, approve, delete."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from coremachine_client.jobs import JobRef, id_of
from coremachine_client.models import Answer
from coremachine_client.transport import Transport


class Changed(Answer):
    """What came of a verb."""

    job_id: str
    run: int = 0
    status: str
    changed: bool = True
    """False when the job was so already."""
    message: str = ""


class Deleted(Answer):
    """What was deleted with a job, or would be."""

    job_id: str
    dry_run: bool = False
    runs: int = 0
    tasks: int = 0
    events: int = 0
    blobs: int = 0
    blob_bytes: int = 0
    blob_names: list[str] = []
    """The first thousand of them."""
    gone: bool = True
    """Whether nothing is left; else the rest goes in the background."""
    message: str = ""


class ControlVerbs:
    """What a client can do to jobs."""

    transport: Transport

    def cancel(self, job: JobRef, reason: str | None = None) -> Changed:
        """Stop a job: queued tasks at once, running ones at their next safe point. It may be repeated."""
        return self._act(job, "cancel", _given(reason=reason), repeatable=True)

    def pause(self, job: JobRef) -> Changed:
        """Begin no further task of a job until it is resumed. It may be repeated."""
        return self._act(job, "pause", repeatable=True)

    def resume(self, job: JobRef) -> Changed:
        """Go on with a paused job. It may be repeated."""
        return self._act(job, "resume", repeatable=True)

    def resubmit(self, job: JobRef, *, from_start: bool = False, force: bool = False) -> Changed:
        """Run a job again that has ended: only what failed, unless `from_start`. `force` for one that succeeded."""
        return self._act(job, "resubmit", {"from_start": from_start, "force": force})

    def replay(self, job: JobRef, stage: str) -> Changed:
        """Run a job again from a stage on, with the results of the stages before."""
        return self._act(job, "replay", {"stage": stage})

    def retry(self, job: JobRef, task_id: str) -> Changed:
        """Try one failed task again."""
        return self._act(job, f"tasks/{quote(task_id, safe='')}/retry")

    def approve(self, job: JobRef, stage: str, note: str | None = None) -> Changed:
        """Let a job go on behind the gate where it waits."""
        return self._act(job, f"gates/{quote(stage, safe='')}/approve", _given(note=note))

    def reject(self, job: JobRef, stage: str, note: str | None = None) -> Changed:
        """Let a job fail at the gate where it waits."""
        return self._act(job, f"gates/{quote(stage, safe='')}/reject", _given(note=note))

    def delete(self, job: JobRef, *, dry_run: bool = False, keep_outputs: bool = False) -> Deleted:
        """Delete a job with its history and, unless they are kept, its blobs. `dry_run` tells what would go."""
        query = {"dry_run": dry_run, "keep_outputs": keep_outputs}
        answer = self.transport.send("DELETE", f"/api/jobs/{id_of(job)}", query=query)
        return self.transport.read(Deleted, answer)

    def _act(
        self,
        job: JobRef,
        verb: str,
        body: dict[str, Any] | None = None,
        *,
        repeatable: bool = False,
    ) -> Changed:
        path = f"/api/jobs/{id_of(job)}/{verb}"
        return self.transport.post(Changed, path, body, repeatable=repeatable)


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
