"""History: how the installation did, as charts and as numbers."""

from __future__ import annotations

import csv
import io

from fastapi import APIRouter
from fastapi.responses import Response

from core.errors import CoreMachineError
from core.insights.history import History, Span
from services.raster.costs import Costs
from triggers.http.operate.history import Back
from triggers.http.storage.costs import costs_of
from triggers.pages.charts import Shown, chart, strip
from triggers.pages.page import Page, ThePage

router = APIRouter(prefix="/history", include_in_schema=False)

SPANS = {Span.DAY: "24 hours", Span.WEEK: "7 days", Span.MONTH: "30 days"}
EACH = {Span.DAY: "hour", Span.WEEK: "six hours", Span.MONTH: "day"}
COLUMNS = (
    "begin", "job_type", "completed", "failed", "cancelled", "tasks", "bytes_in", "bytes_out",
)  # fmt: skip
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
        jobs=chart(told, Shown.JOBS),
        tasks=chart(told, Shown.TASKS),
        bytes=chart(told, Shown.BYTES),
        costs=_costs(page),
        strips={each.job_type: strip(told, each.job_type) for each in told.types},
    )


def _costs(page: Page) -> Costs | None:
    try:
        return costs_of(page.request)
    except CoreMachineError:  # the catalog is away, which the page says
        return None


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
