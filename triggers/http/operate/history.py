"""How the installation did over hours, days and weeks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from core.insights.history import History, Span
from triggers.http.services import TheInsights

router = APIRouter(prefix="/api", tags=["status"])

Back = Annotated[Span, Query(alias="span", description="How far back to look.")]


@router.get("/history")
def history(insights: TheInsights, span: Back = Span.DAY) -> History:
    """Jobs and tasks by type and time, how long they took, and why tasks failed; kept for half a minute."""
    return insights.history(span)
