"""History: how the installation did, as charts and as numbers."""

from __future__ import annotations

import csv
import io

from fastapi import APIRouter
from fastapi.responses import Response

from core.history import History, Span
from triggers.http.history import Back
from triggers.pages.charts import chart, strip
from triggers.pages.page import ThePage

router = APIRouter(prefix="/history", include_in_schema=False)

SPANS = {Span.DAY: "24 hours", Span.WEEK: "7 days", Span.MONTH: "30 days"}
EACH = {Span.DAY: "hour", Span.WEEK: "six hours", Span.MONTH: "day"}
COLUMNS = ("begin", "job_type", "completed", "failed", "cancelled", "tasks")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is a formula to spreadsheets."""


@router.get("")
def history(page: ThePage, span: Back = Span.DAY) -> Response:
    """Charts of what ended, and tables of how long it took and why it failed."""
    told = page.services.insights.history(span)
    return page.show(
        "history.html",
        span=span,
        spans=SPANS,
        each=EACH[span],
        history=told,
        jobs=chart(told, tasks=False),
        tasks=chart(told, tasks=True),
        strips={each.job_type: strip(told, each.job_type) for each in told.types},
    )


@router.get("/numbers.csv")
def numbers(page: ThePage, span: Back = Span.DAY) -> Response:
    """What the charts are drawn from."""
    return Response(
        as_csv(page.services.insights.history(span)),
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="coremachine-{span}.csv"',
            "Cache-Control": "no-store",
        },
    )


def as_csv(told: History) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for each in told.slices:
        row = each.model_dump(mode="json")
        writer.writerow([_harmless(str(row[name])) for name in COLUMNS])
    return text.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA) else cell
