"""Gauges that are read when Prometheus asks: the load in the database, and this process's pools."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, wait

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from core.errors import CoreMachineError
from core.insights.load import Load, MessageLoad, Scales, TaskLoad, WorkerLoad
from infrastructure.database import Database

log = logging.getLogger(__name__)

DEADLINE = 3.0
"""Seconds after which a scrape goes on without a database that does not answer."""


class LoadCollector(Collector):
    """The load, of the whole installation: every process that is asked tells the same."""

    def __init__(self, scales: Scales, deadline: float = DEADLINE) -> None:
        self.scales = scales
        self.deadline = deadline
        self._lock = threading.Lock()
        self._asking: Future[Load | None] | None = None

    def describe(self) -> Iterable[Metric]:
        return [_up(0), *gauges(Load())]

    def collect(self) -> Iterator[Metric]:
        load = self._load()
        yield _up(load is not None)
        if load is not None:
            yield from gauges(load)

    def _load(self) -> Load | None:
        """One question at a time, in a thread: a database that hangs must not keep the other metrics."""
        with self._lock:
            if self._asking is None or self._asking.done():
                self._asking = Future()
                threading.Thread(
                    target=self._ask, args=(self._asking,), name="gauges", daemon=True
                ).start()
            asking = self._asking
        wait([asking], self.deadline)
        return asking.result() if asking.done() else None

    def _ask(self, answer: Future[Load | None]) -> None:
        try:
            answer.set_result(self.scales.load())
        except CoreMachineError as error:
            log.info("gauges: %s", error)
            answer.set_result(None)
        except Exception:  # the outermost frame of this thread: the scrape goes on without
            log.exception("gauges")
            answer.set_result(None)


def _up(up: bool | int) -> Metric:
    return GaugeMetricFamily(
        "coremachine_database_up", "1 when the database answered this scrape.", value=float(up)
    )


def gauges(load: Load) -> Iterator[Metric]:
    yield from _of_tasks(load.tasks)
    jobs = GaugeMetricFamily("coremachine_jobs", "Jobs that have not ended.", labels=["status"])
    for status, count in load.jobs.items():
        jobs.add_metric([status], count)
    yield jobs
    yield from _of_workers(load.workers)
    yield from _of_messages(load.messages)


def _of_tasks(tasks: Iterable[TaskLoad]) -> Iterator[Metric]:
    depth = GaugeMetricFamily(
        "coremachine_queue_tasks",
        "Open tasks: due, waiting for their next attempt, or being processed.",
        labels=["queue", "job_type", "state"],
    )
    age = GaugeMetricFamily(
        "coremachine_queue_oldest_age_seconds",
        "For how long the oldest stage that has due tasks has been open.",
        labels=["queue", "job_type"],
    )
    for each in tasks:
        depth.add_metric([each.queue, each.job_type, each.state], each.tasks)
        if each.oldest_seconds is not None:
            age.add_metric([each.queue, each.job_type], each.oldest_seconds)
    yield depth
    yield age


def _of_workers(workers: Iterable[WorkerLoad]) -> Iterator[Metric]:
    found = GaugeMetricFamily(
        "coremachine_workers",
        "Worker processes: online, or silent for so long that they are taken for dead.",
        labels=["role", "state"],
    )
    for each in workers:
        found.add_metric([each.role, "online"], each.online)
        found.add_metric([each.role, "silent"], each.silent)
    yield found


def _of_messages(messages: MessageLoad) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "coremachine_outbox_messages",
        "Messages promised and not sent yet, counted to 10,000.",
        value=messages.outbox,
    )
    yield GaugeMetricFamily(
        "coremachine_outbox_oldest_age_seconds",
        "How long the oldest of them waits.",
        value=messages.outbox_oldest or 0.0,
    )
    yield GaugeMetricFamily(
        "coremachine_quarantined_messages",
        "Messages that nobody could read and that are set aside, counted to 10,000.",
        value=messages.quarantined,
    )


class PoolCollector(Collector):
    """This process's connections, pool by pool."""

    def __init__(self, pools: Mapping[str, Database]) -> None:
        self.pools = pools

    def describe(self) -> Iterable[Metric]:
        return self._families({})

    def collect(self) -> Iterable[Metric]:
        return self._families({name: each.pool.get_stats() for name, each in self.pools.items()})

    def _families(self, stats: Mapping[str, Mapping[str, int]]) -> list[Metric]:
        connections = GaugeMetricFamily(
            "coremachine_pool_connections",
            "Connections to the database, by whether they are in use.",
            labels=["pool", "state"],
        )
        limit = _gauge("max_connections", "How many connections there may be at most.")
        waiting = _gauge("waiting_requests", "Threads that wait for a connection now.")
        asked = _counter("requests", "How often a connection was asked for.")
        waited = _counter("wait_seconds", "How long connections were waited for, added up.")
        failed = _counter("errors", "How often none came in time.")
        for name, found in stats.items():
            idle = found.get("pool_available", 0)
            connections.add_metric([name, "in_use"], found.get("pool_size", 0) - idle)
            connections.add_metric([name, "idle"], idle)
            limit.add_metric([name], found.get("pool_max", 0))
            waiting.add_metric([name], found.get("requests_waiting", 0))
            asked.add_metric([name], found.get("requests_num", 0))
            waited.add_metric([name], found.get("requests_wait_ms", 0) / 1000)
            failed.add_metric([name], found.get("requests_errors", 0))
        return [connections, limit, waiting, asked, waited, failed]


def _gauge(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"coremachine_pool_{name}", text, labels=["pool"])


def _counter(name: str, text: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"coremachine_pool_{name}", text, labels=["pool"])
