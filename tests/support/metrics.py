"""Every metric there is: its name as Prometheus shows it, its type and its labels."""

from typing import NamedTuple

from core.insights.load import Load, MessageLoad, TaskLoad, WorkerLoad
from core.ports import Repairs
from core.queues import LIGHT
from core.states import JobStatus
from infrastructure.database import Database
from infrastructure.gauges import LoadCollector, PoolCollector
from infrastructure.metrics import PrometheusMeter

EVERYTHING = Load(
    tasks=[TaskLoad(state="due", queue=LIGHT, job_type="a", tasks=1, oldest_seconds=1.0)],
    jobs={JobStatus.QUEUED: 1},
    workers=[WorkerLoad(role="worker", online=1, silent=0)],
    messages=MessageLoad(outbox=1, outbox_oldest=1.0, quarantined=1),
)


class Metric(NamedTuple):
    """A metric as dashboards know it."""

    type: str
    labels: frozenset[str]


class Fixed:
    """core.insights.load.Scales that always show the same."""

    def load(self) -> Load:
        return EVERYTHING


def busy_meter() -> PrometheusMeter:
    """One that has been told of everything once."""
    meter = PrometheusMeter()
    meter.add(LoadCollector(Fixed()))
    meter.add(PoolCollector({"jobs": Database("host=nowhere")}))
    meter.job_submitted("a")
    meter.job_ended("a", JobStatus.COMPLETED)
    meter.task_ended("a", "b", "completed", 0.1)
    meter.stage_closed("a", 0.1)
    meter.repaired(Repairs(closed=1), 1, 0.1)
    meter.request_began()
    meter.request_ended("GET", "/api/jobs", 200, 0.1)
    return meter


def known_metrics() -> dict[str, Metric]:
    found = {}
    for family in busy_meter().registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        found[name] = Metric(family.type, frozenset(labels))
    return found
