"""What happens in this process, counted for Prometheus."""

from __future__ import annotations

from dataclasses import asdict

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder, start_http_server
from prometheus_client.registry import Collector

from core.ports import Repairs
from core.states import JobStatus

SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
LONG = (0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14400)


class PrometheusMeter:
    """core.watching.watch.Meter. Labels name job types, stages, routes and words of ours: never a job, a task or a worker."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=registry)
        self.submitted = Counter(
            "coremachine_jobs_submitted",
            "Runs of jobs that submissions to this process began.",
            ["job_type"],
            registry=registry,
        )
        self.ended = Counter(
            "coremachine_jobs_ended",
            "Runs of jobs that this process ended, by how they ended.",
            ["job_type", "status"],
            registry=registry,
        )
        self.attempts = Counter(
            "coremachine_task_attempts",
            "Attempts at tasks that ended in this process, by how they ended.",
            ["job_type", "stage", "outcome"],
            registry=registry,
        )
        self.durations = Histogram(
            "coremachine_task_duration_seconds",
            "How long attempts at tasks took.",
            ["job_type", "stage"],
            buckets=LONG,
            registry=registry,
        )
        self._of_upkeep(registry)
        self._of_http(registry)
        self._known: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}

    def _of_upkeep(self, registry: CollectorRegistry) -> None:
        self.closes = Histogram(
            "coremachine_stage_close_latency_seconds",
            "From the end of a stage's last task to its close, committed.",
            ["job_type"],
            buckets=SHORT,
            registry=registry,
        )
        self.repairs = Counter(
            "coremachine_repairs",
            "What the reconciler of this process put right.",
            ["kind"],
            registry=registry,
        )
        self.dead_letters = Counter(
            "coremachine_dead_letters_read",
            "Dead letters of the broker that this process read.",
            registry=registry,
        )
        self.rounds = Histogram(
            "coremachine_reconciler_duration_seconds",
            "How long rounds of the reconciler took.",
            buckets=SHORT,
            registry=registry,
        )
        for kind in asdict(Repairs()):
            self.repairs.labels(kind)

    def _of_http(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "coremachine_http_requests",
            "Requests that were answered, by route and status.",
            ["method", "route", "status"],
            registry=registry,
        )
        self.waits = Histogram(
            "coremachine_http_request_duration_seconds",
            "From a request's arrival to the begin of its answer.",
            ["method", "route"],
            buckets=SHORT,
            registry=registry,
        )
        self.serving = Gauge(
            "coremachine_http_requests_in_progress",
            "Requests being answered, open streams among them.",
            registry=registry,
        )

    # core.watching.watch.Meter

    def job_submitted(self, job_type: str) -> None:
        self.submitted.labels(job_type).inc()

    def job_ended(self, job_type: str, status: JobStatus) -> None:
        self.ended.labels(job_type, status).inc()

    def task_ended(self, job_type: str, stage: str, outcome: str, seconds: float) -> None:
        key = (job_type, stage, outcome)
        known = self._known.get(key)
        if known is None:  # looking children up by their labels costs more than counting
            known = self.attempts.labels(*key), self.durations.labels(job_type, stage)
            self._known[key] = known
        known[0].inc()
        known[1].observe(seconds)

    def stage_closed(self, job_type: str, seconds: float) -> None:
        self.closes.labels(job_type).observe(seconds)

    def repaired(self, repairs: Repairs, dead_letters: int, seconds: float) -> None:
        self.rounds.observe(seconds)
        self.dead_letters.inc(dead_letters)
        for kind, count in asdict(repairs).items():
            if count:
                self.repairs.labels(kind).inc(count)

    def request_began(self) -> None:
        self.serving.inc()

    def request_ended(self, method: str, route: str, status: int, seconds: float) -> None:
        self.serving.dec()
        self.requests.labels(method, route, str(status)).inc()
        self.waits.labels(method, route).observe(seconds)

    # how it is read

    def add(self, collector: Collector) -> None:
        self.registry.register(collector)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """All metrics in the format that the scraper accepts, and that format's content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def serve(self, host: str, port: int) -> None:
        """For processes without a web app: answer at a port of their own, in daemon threads."""
        start_http_server(port, host, self.registry)
