"""Traces by OpenTelemetry, sent by OTLP over HTTP or to Azure Monitor. Imported only where one of them is set."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from core.imports import one_at_a_time
from core.watching.redaction import redacted
from core.watching.whereabouts import Mark, current_request

log = logging.getLogger(__name__)

AZURE_PACKAGE = "azure-monitor-opentelemetry-exporter"
AZURE_MODULE = "azure.monitor.opentelemetry.exporter"
TIMEOUT = 5.0
"""Seconds that sending may take; what cannot be sent is dropped, and nothing waits for it."""
LONGEST = 500
_w3c = TraceContextTextMapPropagator()


class OtelSpan:
    """core.watching.watch.Span."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def tell(self, **facts: str | int) -> None:
        for name, value in facts.items():
            self._span.set_attribute(name.replace("__", "."), value)

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def fail(self, why: str) -> None:
        self._span.set_status(Status(StatusCode.ERROR, redacted(why)[:LONGEST]))


class OtelTracer:
    """core.watching.watch.Tracer over a provider of its own: other users of OpenTelemetry in the process are left alone."""

    on = True

    def __init__(self, service: str, exporters: list[SpanExporter]) -> None:
        self.provider = TracerProvider(
            resource=Resource.create({SERVICE_NAME: service}), shutdown_on_exit=False
        )
        for exporter in exporters:
            self.provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self.provider.get_tracer("coremachine")

    def carried(self) -> str | None:
        carrier: dict[str, str] = {}
        _w3c.inject(carrier)
        return carrier.get("traceparent")

    @contextmanager
    def request(self, method: str, carried: str | None) -> Generator[OtelSpan]:
        parent = _w3c.extract({"traceparent": carried} if carried else {}, context.Context())
        facts = {"http.request.method": method, "coremachine.correlation_id": current_request()}
        with self._tracer.start_as_current_span(
            method, parent, SpanKind.SERVER, facts, record_exception=False
        ) as span:
            yield OtelSpan(span)

    @contextmanager
    def task(self, mark: Mark, submitted: str | None) -> Generator[OtelSpan]:
        """A trace of its own, linked to the submission's: one of a million tasks would be of no use to anyone."""
        with self._tracer.start_as_current_span(
            f"{mark.job_type}.{mark.stage}",
            context.Context(),
            SpanKind.CONSUMER,
            _facts(mark),
            [Link(found)] if (found := _context_of(submitted)) else None,
            record_exception=False,
        ) as span:
            yield OtelSpan(span)

    def close(self) -> None:
        self.provider.shutdown()


def _facts(mark: Mark) -> dict[str, Any]:
    return {
        "coremachine.job_id": mark.job_id,
        "coremachine.job_type": mark.job_type,
        "coremachine.run": mark.number,
        "coremachine.stage": mark.stage,
        "coremachine.task_id": str(mark.key),
        "coremachine.attempt": mark.attempt,
        "messaging.destination.name": mark.queue,
    }


def _context_of(carried: str | None) -> trace.SpanContext | None:
    if carried is None:
        return None
    found = _w3c.extract({"traceparent": carried}, context.Context())
    span = trace.get_current_span(found).get_span_context()
    return span if span.is_valid else None


def exporters(otlp: str | None, azure: str | None) -> list[SpanExporter]:
    """One for each place that traces are to go to."""
    found: list[SpanExporter] = []
    if otlp:
        found.append(OTLPSpanExporter(f"{otlp.rstrip('/')}/v1/traces", timeout=TIMEOUT))
    if azure and (exporter := _azure(azure)) is not None:
        found.append(exporter)
    return found


def _azure(connection_string: str) -> SpanExporter | None:
    """The Functions host sets the connection string for its own use too, so a missing package stops nobody."""
    try:
        with one_at_a_time:
            module = importlib.import_module(AZURE_MODULE)
    except ModuleNotFoundError:
        log.warning(
            "APPLICATIONINSIGHTS_CONNECTION_STRING is set, but no traces go there: the package %s is not installed. "
            "Add it to requirements.txt, or unset the setting.",
            AZURE_PACKAGE,
        )
        return None
    return module.AzureMonitorTraceExporter(connection_string=connection_string)
