"""What watches a process, as the settings name it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.imports import one_at_a_time
from core.insights.load import Scales
from core.watching.scribe import Scribe
from core.watching.traffic import Traffic
from core.watching.watch import NoTracer, Tracer, Watch
from infrastructure.database import Database
from infrastructure.gauges import LoadCollector, PoolCollector
from infrastructure.load import PostgresScales
from infrastructure.metrics import PrometheusMeter
from infrastructure.settings import Settings
from infrastructure.task_logs import PostgresTaskLogs
from infrastructure.traffic import PostgresTraffic


@dataclass(frozen=True, slots=True)
class Observability:
    """Everything that watches, and what it writes to."""

    watch: Watch
    meter: PrometheusMeter
    scales: Scales
    logs: PostgresTaskLogs

    def close(self) -> None:
        self.watch.tracer.close()


def observe(given: Settings, database: Database, pools: Mapping[str, Database]) -> Observability:
    """`pools`: those whose use is told, by name."""
    meter, logs = PrometheusMeter(), PostgresTaskLogs(database)
    scales = PostgresScales(database, dead_after=given.dead_after_seconds)
    meter.add(LoadCollector(scales))
    meter.add(PoolCollector(pools))
    scribe = Scribe(logs)
    traffic = Traffic(PostgresTraffic(database))
    watch = Watch(meter, _tracer(given), scribe, scribe.keep, traffic, traffic.add)
    return Observability(watch, meter, scales, logs)


def _tracer(given: Settings) -> Tracer:
    azure = given.application_insights
    if not given.otlp_endpoint and azure is None:
        return NoTracer()
    with one_at_a_time:
        from infrastructure.tracing import OtelTracer, exporters  # noqa: PLC0415 - who does not trace imports nothing

    found = exporters(given.otlp_endpoint, None if azure is None else azure.get_secret_value())
    return OtelTracer(given.service_name, found) if found else NoTracer()
