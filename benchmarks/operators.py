"""Operators in a crash run: they cancel, pause, resume, resubmit, replay and retry whatever they find."""

from __future__ import annotations

import random
import threading
from collections import Counter
from contextlib import suppress

import psycopg

from benchmarks.storm import Submitter
from core.control.desk import Done
from core.errors import Conflict, JobNotFound, ServiceUnavailable, TaskNotFound
from core.tasks import TaskKey
from tests.support.fleet import Fleet

BY = "chaos"
VERBS = ("cancel", "pause", "resume", "resubmit", "replay", "retry")
WEIGHTS = (2, 4, 6, 6, 3, 3)


class Operator:
    """Presses buttons. Whoever comes too late is told so, and that is counted as well."""

    def __init__(self, fleet: Fleet, dice: random.Random, submitter: Submitter) -> None:
        self.fleet = fleet
        self.dice = dice
        self.submitter = submitter
        self.pressed: Counter[str] = Counter()
        self._lock = threading.Lock()

    def act(self) -> None:
        job_id = self.submitter.any_job()
        if job_id is None:
            return
        (verb,) = self.dice.choices(VERBS, WEIGHTS)
        try:
            done = self._press(verb, job_id)
        except (Conflict, JobNotFound, TaskNotFound):
            self._count(f"{verb}: refused")
        except (ServiceUnavailable, psycopg.Error):
            return  # the database is down; operators come back
        else:
            self._count(f"{verb}: {'done' if done.changed else 'done already'}")

    def _press(self, verb: str, job_id: str) -> Done:
        control = self.fleet.control
        match verb:
            case "cancel":
                self.submitter.touched.add(job_id)  # from now on a submission may begin a run
                return control.cancel(job_id, by=BY, reason="bad weather")
            case "pause":
                return control.pause(job_id, by=BY)
            case "resume":
                return control.resume(job_id, by=BY)
            case "resubmit":
                self.submitter.touched.add(job_id)
                start, force = self.dice.random() < 0.2, self.dice.random() < 0.5
                return control.resubmit(job_id, by=BY, from_start=start, force=force)
            case "replay":
                self.submitter.touched.add(job_id)
                stages = [stage.name for stage in self.submitter.jobs[job_id].stages]
                return control.replay(job_id, self.dice.choice(stages), by=BY)
            case _:
                self.submitter.touched.add(job_id)
                return control.retry(job_id, self._failed(job_id), by=BY)

    def _failed(self, job_id: str) -> TaskKey:
        rows = self.fleet.ask(
            "select t.run_id, t.stage, t.idx from app.runs r join app.tasks t using (run_id)"
            " where r.job_id = %s and t.status = 'failed' limit 20",
            job_id,
        )
        return TaskKey(*self.dice.choice(rows)) if rows else TaskKey(1, 0, 0)

    def _count(self, what: str) -> None:
        with self._lock:
            self.pressed[what] += 1

    def clear_up(self) -> int:
        """Once the storm is over: let everything that was stopped go on; how many jobs that were."""
        stopped = self.fleet.ask(
            "select j.job_id, r.status from app.jobs j join app.runs r using (run_id)"
            " where r.status in ('paused', 'cancelled')"
        )
        for job_id, status in stopped:
            verb = self.fleet.control.resume if status == "paused" else self.fleet.control.resubmit
            with suppress(
                Conflict, ServiceUnavailable
            ):  # it has just ended, or the next look tries again
                verb(job_id, by=BY)
        return len(stopped)
