"""Reads from PostgreSQL what people want at a glance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from core.insights.overview import SLICES, BarRow, GateView, HandView, Span, Window
from core.states import JobStatus, TaskStatus


class OverviewReading:
    """core.insights.overview.OverviewReader."""

    def _rows(self, name: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        raise NotImplementedError

    def _dicts(self, name: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        raise NotImplementedError

    def latest(self) -> datetime | None:
        return self._rows("insights/get_latest", {})[0][0]

    def ended(self, minutes: int) -> list[tuple[int, JobStatus, int]]:
        rows = self._rows("insights/count_ended", {"minutes": minutes})
        return [(ago, JobStatus(status), jobs) for ago, status, jobs in rows]

    def gates(self, limit: int) -> list[GateView]:
        return [GateView(**row) for row in self._dicts("insights/list_gates", {"limit": limit})]

    def hands(self, job_ids: Sequence[str]) -> list[HandView]:
        rows = self._dicts("insights/list_hands", {"job_ids": list(job_ids)})
        return [HandView(**row) for row in rows]

    def spans(self, homes: Sequence[int], window: Window) -> list[Span]:
        values = _within(homes, window) | {"slices": SLICES, "seconds": window.slice}
        return [Span(*row) for row in self._rows("insights/count_spans", values)]

    def bars(self, homes: Sequence[int], window: Window, limit: int) -> list[BarRow]:
        values = _within(homes, window) | {"limit": limit}
        return [
            BarRow(run, stage, idx, TaskStatus(status), *rest)
            for run, stage, idx, status, *rest in self._rows("insights/list_bars", values)
        ]


def _within(homes: Sequence[int], window: Window) -> dict[str, Any]:
    return {"homes": list(homes), "begin": window.begin, "end": window.end}
