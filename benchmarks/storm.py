"""What goes wrong in a crash run: killed workers, a crashing database, submitters that repeat themselves."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from benchmarks.chaos_jobs.shapes import ChaosJob, any_job
from core.errors import ServiceUnavailable
from tests.support.fleet import Fleet, Tending
from triggers.local.postgres import PostgresServer

AT_ONCE = 12
"""Jobs that may be under way before another is submitted."""


@dataclass
class Toll:
    """What has gone wrong so far."""

    kills: int = 0
    restarts: int = 0
    repeated: int = 0


class Storm:
    """Threads that do harm until they are told to stop."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.toll = Toll()
        self.failed: list[BaseException] = []
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def every(self, least: float, most: float, act: Callable[[], None]) -> None:
        """Do it again and again, after a pause of some length between the two."""
        dice = random.Random(self.dice.random())  # noqa: S311 - a thread's own, so that the seed decides

        def run() -> None:
            while not self._stop.wait(dice.uniform(least, most)):
                try:
                    act()
                except Exception as error:  # noqa: BLE001 - a broken storm must not pass for a calm
                    self.failed.append(error)
                    return

        self._threads.append(threading.Thread(target=run, daemon=True))

    def begin(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        if self.failed:
            raise self.failed[0]

    def kill_one(self, tending: Tending) -> None:
        """One that has begun to work, while another works too: on a slow machine nothing would move otherwise."""
        serving = [worker for worker in tending.current if worker.serves]
        if len(serving) > 1:
            self.dice.choice(serving).kill()
            self.toll.kills += 1

    def crash(self, server: PostgresServer) -> None:
        server.restart("immediate")
        self.toll.restarts += 1


class Submitter:
    """Submits new jobs while few are under way, and old ones again."""

    def __init__(self, fleet: Fleet, dice: random.Random, toll: Toll) -> None:
        self.fleet = fleet
        self.dice = dice
        self.toll = toll
        self.jobs: dict[str, ChaosJob] = {}
        self.wrong: list[str] = []
        self.touched: set[str] = set()
        """Jobs of which an operator may have stopped or begun a run."""
        self._lock = threading.Lock()

    def act(self) -> None:
        try:
            if self.under_way() < AT_ONCE:
                self._submit()
            if self.jobs and self.dice.random() < 0.3:
                self._repeat()
        except (ServiceUnavailable, psycopg.Error):
            return  # the database is down; whoever submits tries again later

    def any_job(self) -> str | None:
        """One of the newest, mostly: they are under way."""
        with self._lock:
            jobs = list(self.jobs)
        newest = jobs[-AT_ONCE:] if self.dice.random() < 0.8 else jobs
        return self.dice.choice(newest) if newest else None

    def under_way(self) -> int:
        ((count,),) = self.fleet.ask("select count(*) from app.runs where finished_at is null")
        return count

    def _submit(self) -> None:
        with self._lock:
            job = any_job(self.dice, len(self.jobs))
            self.jobs[job.fingerprint] = job
        while True:
            try:
                self.fleet.submission(job)
            except ServiceUnavailable:
                continue  # it may have been written down all the same: asking again finds it
            return

    def _repeat(self) -> None:
        with self._lock:
            job = self.dice.choice(list(self.jobs.values()))
        again = self.fleet.submission(job)
        self.toll.repeated += 1
        if again.run.number != 1 and job.fingerprint not in self.touched:
            self.wrong.append(f"{job!r}, submitted again, got run {again.run.number}")
