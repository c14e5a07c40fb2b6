"""Waits for a job by asking now and then, through short outages too."""

from __future__ import annotations

import time
from collections.abc import Callable

from coremachine_client.errors import TooManyRequests, Unavailable, Unreachable, WaitedTooLong
from coremachine_client.models import Job

FIRST, LONGEST = 0.05, 2.0
"""Seconds between two questions: few at first, for short jobs, then more."""
PATIENCE = 300.0
"""Seconds for which a server may be away while we wait."""

Watcher = Callable[[Job], object]


class Waiting:
    """Waits for one job. `look` tells where it stands."""

    def __init__(self, look: Callable[[], Job], timeout: float | None) -> None:
        self.look = look
        self.timeout = timeout
        self.began = self.heard = time.monotonic()

    def ended(self, progress: Watcher | None) -> Job:
        """The job once it has ended. `progress` is told every state that is new."""
        pause, shown = FIRST, None
        while True:
            job = self._look()
            if job is not None:
                if progress is not None and job != shown:
                    progress(job)
                shown = job
                if job.ended:
                    return job
            if shown is not None and self._left() <= 0:
                raise WaitedTooLong(shown, self.timeout or 0)
            time.sleep(min(pause, max(self._left(), 0.01)))
            pause = min(pause * 1.5, LONGEST)

    def _left(self) -> float:
        gone = time.monotonic() - self.began
        return float("inf") if self.timeout is None else self.timeout - gone

    def _look(self) -> Job | None:
        """Where the job stands; None while the server is away and we have not lost patience."""
        try:
            job = self.look()
        except (Unreachable, Unavailable, TooManyRequests):
            if self._left() <= 0 or time.monotonic() - self.heard >= PATIENCE:
                raise
            return None
        self.heard = time.monotonic()
        return job
