"""Timer triggers: an invocation whenever a schedule says so."""

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta

from triggers.devhost.indexing import TimerFunction
from triggers.devhost.queues import pause
from triggers.devhost.worker import Worker

log = logging.getLogger(__name__)


async def run_timer(function: TimerFunction, worker: Worker, stopping: asyncio.Event) -> None:
    """Fire a function on its schedule. It never overlaps itself: what it misses while it runs is past."""
    schedule = function.schedule
    due = datetime.now(UTC) if function.on_startup else schedule.after(datetime.now(UTC))
    while True:
        await pause((due - datetime.now(UTC)).total_seconds(), stopping)
        if stopping.is_set():
            return
        await _fire(function, worker, due)
        due = schedule.after(max(due, datetime.now(UTC)))


async def _fire(function: TimerFunction, worker: Worker, due: datetime) -> None:
    late = datetime.now(UTC) - due > timedelta(minutes=1)
    value = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": None, "IsPastDue": late}
    invoked = await worker.invoke(
        function.id, function.argument, worker.datum("json", json.dumps(value))
    )
    if not invoked.ok:
        log.warning("timer %s failed: %s", function.name, invoked.error)
