"""How a process of ours logs: lines for people, or JSON for programs; either way with the task or request it is about."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from core.watching.redaction import redacted
from core.watching.scribe import task_log
from core.watching.whereabouts import Mark, current_request, current_task

TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"
QUIET = ("azure", "opentelemetry", "urllib3")
"""Libraries that tell too much below WARNING."""
PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "mark"}
OURS = frozenset({"job_id", "job_type", "task_id", "attempt"})


def set_up(level: str, form: str, trace: Callable[[], str | None] = lambda: None) -> None:
    """Once, in a process that is ours. `trace` tells the trace that is under way, if any is."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter(trace) if form == "json" else TextFormatter(TEXT))
    handler.setLevel(level)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    task_log.setLevel(min(logging.getLogger().level, logging.INFO))
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, handler.level))


def mark_of(record: logging.LogRecord) -> Mark | None:
    """The task that a line is about: a library's line too, for it is written where the task runs."""
    return getattr(record, "mark", None) or current_task()


class TextFormatter(logging.Formatter):
    """A line, with the task or the request in brackets."""

    def format(self, record: logging.LogRecord) -> str:
        text, mark = super().format(record), mark_of(record)
        if mark is not None:
            text = f"{text} [{mark.job_type} {mark.key} attempt {mark.attempt}]"
        elif request := current_request():
            text = f"{text} [request {request}]"
        return redacted(text)


class JsonFormatter(logging.Formatter):
    """An object a line. What a caller gives as `extra` stands in it too."""

    def __init__(self, trace: Callable[[], str | None]) -> None:
        super().__init__()
        self.trace = trace

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redacted(record.getMessage()),
            **self._place(record),
            **_extras(record),
        }
        if record.exc_info:
            told["exception"] = redacted(self.formatException(record.exc_info))
        return json.dumps(told, ensure_ascii=False, default=str)

    def _place(self, record: logging.LogRecord) -> dict[str, Any]:
        place: dict[str, Any] = {}
        if (mark := mark_of(record)) is not None:
            place = {
                "job": mark.job_id,
                "job_type": mark.job_type,
                "run": mark.number,
                "stage": mark.stage,
                "task": str(mark.key),
                "attempt": mark.attempt,
            }
        if request := current_request():
            place["correlation_id"] = request
        if carried := self.trace():
            _, place["trace_id"], place["span_id"], _ = carried.split("-")
        return place


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    known = PLAIN | OURS if hasattr(record, "mark") else PLAIN
    given = {name: value for name, value in vars(record).items() if name not in known}
    return {name: redacted(v) if isinstance(v, str) else v for name, v in given.items()}
