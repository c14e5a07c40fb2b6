"""The metrics of this process, and the load of the installation, for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from core.errors import ServiceUnavailable
from triggers.http.services import TheServices

router = APIRouter(tags=["status"])


@router.get("/api/metrics", response_class=PlainTextResponse)
def metrics(request: Request, services: TheServices) -> Response:
    """Metrics in Prometheus' text format, or in OpenMetrics where the caller accepts it."""
    if services.exposition is None:
        raise ServiceUnavailable("this web app was made without metrics")
    body, content_type = services.exposition(request.headers.get("accept", ""))
    return Response(body, media_type=content_type)


@router.get("/metrics", response_class=PlainTextResponse)
def metrics_where_prometheus_looks(request: Request, services: TheServices) -> Response:
    """The same as /api/metrics. The Functions host serves nothing outside of /api."""
    return metrics(request, services)
