"""Reads from PostgreSQL who waits in which line, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

from core.admission.lines import KeyView, LimitRow, WaitingRow
from core.admission.terms import Rate


class LinesReading:
    """core.admission.lines.LinesReader."""

    def _dicts(self, name: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        raise NotImplementedError

    def waiting(self, run: int) -> WaitingRow | None:
        for row in self._dicts("insights/get_waiting", {"run_id": run}):
            rate = _rate(row.pop("rate_count"), row.pop("rate_seconds"))
            key_rate = _rate(row.pop("key_count"), row.pop("key_seconds"))
            return WaitingRow(**row, rate=rate, key_rate=key_rate)
        return None

    def keys(self, after: str, limit: int) -> list[KeyView]:
        rows = self._dicts("insights/list_keys", {"after": after, "limit": limit})
        lists = ("holders", "next")
        return [
            KeyView.model_validate(
                row | {name: from_json(row[name]) if row[name] else [] for name in lists}
            )
            for row in rows
        ]

    def limit(self, job_type: str) -> LimitRow:
        return LimitRow.model_validate(self._dicts("insights/get_limit", {"job_type": job_type})[0])


def _rate(count: int | None, seconds: float | None) -> Rate | None:
    return None if count is None or seconds is None else Rate(count=count, seconds=seconds)
