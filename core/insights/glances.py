"""The part of the insights that looks over everything at a glance, and over all tasks of a run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from core.insights.history import History, Span, history
from core.insights.overview import (
    FEW,
    MINUTES,
    GateView,
    HandView,
    Pulse,
    StageBand,
    Throughput,
    Timeline,
    Window,
    throughput,
    window,
)
from core.insights.reading import JobRecord, Reader
from core.insights.timeline import bands
from core.insights.views import QueueView, WorkerView
from core.kept import Kept


class Glances:
    """What ended lately, which gates wait, who works for whom, when tasks ran."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._pulse: Kept[str, Pulse] = Kept(least=0.5)
        self._ended: Kept[str, Throughput] = Kept()
        self._history: Kept[Span, History] = Kept(least=30)
        self._bands: Kept[tuple[int, Window, bool], list[StageBand]] = Kept()

    def pulse(self) -> Pulse:
        """Cheap to ask, whoever listens: for half a second everybody gets the same answer."""
        return self._pulse.get("", self._felt)

    def _felt(self) -> Pulse:
        queues = self.queues()
        return Pulse(
            latest=self.reader.latest(),
            waiting=sum(queue.waiting + queue.later for queue in queues),
            processing=sum(queue.processing for queue in queues),
            workers=len(self.workers()),
        )

    def throughput(self) -> Throughput:
        """What ended in the last hour, minute by minute."""
        return self._ended.get("", lambda: throughput(self.reader.ended(MINUTES)))

    def history(self, span: Span) -> History:
        """How it went over hours, days or weeks; for half a minute everybody gets the same answer."""
        return self._history.get(span, lambda: history(self.reader, span))

    def gates(self, limit: int = FEW) -> list[GateView]:
        """The gates that wait for a person, the longest first."""
        return self.reader.gates(limit)

    def hands(self, job_ids: Sequence[str]) -> dict[str, list[HandView]]:
        """Who works for each of these jobs now."""
        found: dict[str, list[HandView]] = {}
        for hand in self.reader.hands(job_ids) if job_ids else ():
            found.setdefault(hand.job_id, []).append(hand)
        return found

    def timeline(
        self, job_id: str, begin: datetime | None = None, end: datetime | None = None
    ) -> Timeline:
        """When the tasks of the current run were under way; of the whole run unless told otherwise."""
        record = self._record(job_id, whole=False)
        until = record.finished_at or datetime.now(UTC)
        shown = window(begin or record.started_at or record.created_at, end or until)
        key = (record.run.run, shown, record.finished_at is None)
        stages = self._bands.get(key, lambda: bands(self.reader, record.run, shown))
        return Timeline(begin=shown.begin, end=shown.end, slice_seconds=shown.slice, stages=stages)

    def queues(self) -> list[QueueView]:
        raise NotImplementedError

    def workers(self) -> list[WorkerView]:
        raise NotImplementedError

    def _record(self, job_id: str, *, whole: bool = True) -> JobRecord:
        raise NotImplementedError
