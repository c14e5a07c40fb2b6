"""Reads from PostgreSQL how the installation did."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from core.insights.history import DurationRow, EndedRow, FailureReason, TrafficRow
from core.states import JobStatus


class HistoryReading:
    """core.insights.history.HistoryReader."""

    def _rows(self, name: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        raise NotImplementedError

    def _dicts(self, name: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        raise NotImplementedError

    def history(self, seconds: float, slice_seconds: float, limit: int) -> list[EndedRow]:
        values = {"seconds": seconds, "slice": slice_seconds, "limit": limit}
        return [
            EndedRow(datetime.fromtimestamp(begin, UTC), job_type, JobStatus(status), jobs, tasks)
            for begin, job_type, status, jobs, tasks in self._rows("insights/count_history", values)
        ]

    def traffic(self, seconds: float, slice_seconds: float) -> list[TrafficRow]:
        values = {"seconds": seconds, "slice": slice_seconds}
        return [
            TrafficRow(datetime.fromtimestamp(begin, UTC), *told)
            for begin, *told in self._rows("insights/count_traffic", values)
        ]

    def durations(self, seconds: float, limit: int) -> list[DurationRow]:
        values = {"seconds": seconds, "limit": limit}
        rows = self._rows("insights/measure_durations", values)
        return [DurationRow(job_type, *percentiles) for job_type, percentiles in rows]

    def reasons(self, seconds: float, limit: int) -> list[FailureReason]:
        values = {"seconds": seconds, "limit": limit}
        return [FailureReason(**row) for row in self._dicts("insights/rank_failures", values)]
