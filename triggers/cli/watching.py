"""Shows a job while it runs: bars on a terminal, plain lines elsewhere, nothing to programs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

import typer

from triggers.cli.exits import ENDS, Code
from triggers.cli.session import Session
from triggers.cli.tables import cut, facts, json_of, lasted, short, terminal

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import TaskID

    from coremachine_client import Event, Job
    from coremachine_client.models import StageProgress, Waiting

LONGEST = 20_000
"""Letters of a result that are shown; `coremachine result` has all of it."""


class Standing(Protocol):
    """What both a job and a stream tell of how far it is."""

    @property
    def status(self) -> str: ...
    @property
    def progress(self) -> float: ...
    @property
    def stages(self) -> Iterable[StageProgress]: ...
    @property
    def waiting(self) -> Waiting | None: ...


class Display(Protocol):
    """Shows how far a job is."""

    def update(self, standing: Standing) -> None: ...
    def event(self, event: Event) -> None: ...


class Silent(AbstractContextManager["Silent"]):
    """For programs."""

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, standing: Standing) -> None:
        return None

    def event(self, event: Event) -> None:
        typer.echo(json_of(event))


class Lines(AbstractContextManager["Lines"]):
    """For logs and pipes: a line when something has changed, and not too often."""

    EVERY = 2.0

    def __init__(self) -> None:
        self._said = ""
        self._at = 0.0
        self._told: tuple[set[str], str] = (set(), "")

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, standing: Standing) -> None:
        line = f"{standing.status} {standing.progress:.0%}"
        closed = {stage.name for stage in standing.stages if stage.status == "closed"}
        reason = ""
        if standing.waiting is not None:
            line, reason = (
                f"{standing.status}, waits: {why(standing.waiting)}",
                standing.waiting.reason,
            )
        for stage in standing.stages:
            if stage.status in {"open", "expanding"}:
                line += f", {stage.name} {stage.counts.ended} of {stage.total}"
        is_news = (closed, reason) != self._told or standing.status in ENDS
        if line != self._said and (is_news or time.monotonic() - self._at >= self.EVERY):
            typer.echo(line, err=True)
            self._said, self._at, self._told = line, time.monotonic(), (closed, reason)

    def event(self, event: Event) -> None:
        typer.echo(told(event))


class Bars(AbstractContextManager["Bars"]):
    """For people: a bar per stage, and above them what the job waits for."""

    def __init__(self, session: Session) -> None:
        from rich.progress import (  # noqa: PLC0415 - only who shows progress pays for it
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )
        from rich.text import Text  # noqa: PLC0415

        class Below(Progress):
            """Bars below a line."""

            line = ""

            def get_renderables(self) -> Iterable[RenderableType]:
                if self.line:
                    yield Text(self.line, overflow="ellipsis", no_wrap=True)
                yield self.make_tasks_table(self.tasks)

        self._bars = Below(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            console=session.err,
        )
        self._known: dict[str, TaskID] = {}

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def update(self, standing: Standing) -> None:
        self._bars.line = "" if standing.waiting is None else f"waits: {why(standing.waiting)}"
        for stage in standing.stages:
            bar = self._bar(stage)
            done = stage.counts.ended
            total = stage.total or (done if stage.status == "closed" else None)
            failed = stage.counts.failed
            note = f"{failed} failed" if failed else (stage.counts.skipped and "skipped") or ""
            self._bars.update(bar, completed=done, total=total, note=note)
            if stage.status in {"open", "expanding"}:
                self._bars.start_task(bar)
            elif stage.status != "not_opened":
                self._bars.stop_task(bar)

    def _bar(self, stage: StageProgress) -> TaskID:
        if stage.name not in self._known:
            name = f"{stage.name:<16}"
            self._known[stage.name] = self._bars.add_task(name, start=False, total=None, note="")
        return self._known[stage.name]

    def event(self, event: Event) -> None:
        self._bars.console.print(told(event), soft_wrap=True)


def display(session: Session) -> Silent | Lines | Bars:
    if session.as_json:
        return Silent()
    return Bars(session) if session.shows_progress else Lines()


def told(event: Event) -> str:
    """An event on one line."""
    where = " ".join(part for part in (event.stage, event.task_id) if part)
    data = ", ".join(f"{name}={value}" for name, value in (event.data or {}).items())
    line = f"{event.at:%H:%M:%S}  {event.what:<18}  {where:<20}  {data}".rstrip()
    wide = terminal()
    return cut(line, wide) if wide else line


def why(waiting: Waiting) -> str:
    """What a job waits for, and for which jobs, as far as a line has room."""
    jobs = [short(job_id) for job_id in waiting.jobs[:3]]
    more = ["…"] if len(waiting.jobs) > len(jobs) else []
    return f"{waiting.message} ({', '.join(jobs + more)})" if jobs else waiting.message


def wait(session: Session, job_id: str, timeout: float | None) -> Job:
    """Show a job until it has ended. Who interrupts is told that the job goes on."""
    with display(session) as shown:
        try:
            return session.client.wait(job_id, timeout, shown.update)
        except KeyboardInterrupt:
            raise interrupted(session, job_id) from None


def interrupted(session: Session, job_id: str) -> typer.Exit:
    session.remark(f"The job goes on. coremachine watch {short(job_id)} shows it again.")
    return typer.Exit(Code.INTERRUPTED)


def conclude(session: Session, job: Job, *, quietly: bool = False) -> None:
    """Say how a job ended, and make that the exit code."""
    if not quietly:
        session.answer(job, lambda: _ending(session, job))
    if (code := ENDS.get(job.status, Code.OK)) is not Code.OK:
        raise typer.Exit(code)


def _ending(session: Session, job: Job) -> None:
    took = lasted(job.started_at or job.created_at, job.finished_at)
    why = "" if job.error is None else f"{job.error.type}: {job.error.message}".removeprefix(": ")
    where = "" if job.error is None else f"{job.error.stage or ''} {job.error.task or ''}".strip()
    for line in facts([("job", job.job_id), ("status", job.status), ("took", took)]):
        typer.echo(line, err=True)
    for line in facts([("failed in", where), ("because", why)]):
        typer.echo(line, err=True)
    show_result(session, job)


def show_result(session: Session, job: Job) -> None:
    """The result on stdout, so that it can be piped on."""
    if job.result_streamed:
        session.remark(f"The result is long: coremachine result {short(job.job_id)}")
    elif job.succeeded and job.result is not None:
        from rich.console import Console  # noqa: PLC0415
        from rich.json import JSON  # noqa: PLC0415 - only who shows JSON to people pays for it

        text = json_of(job.result)
        if len(text) > LONGEST or not sys.stdout.isatty():
            typer.echo(text)
        else:
            Console().print(JSON(text))
