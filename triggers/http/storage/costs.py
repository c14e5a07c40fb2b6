"""What keeping things costs."""

from __future__ import annotations

from fastapi import APIRouter, Request

from services.raster.costs import Costs, costs
from services.raster.options import RasterOptions

router = APIRouter(prefix="/api/storage", tags=["storage"])


def costs_of(request: Request) -> Costs:
    state = request.app.state
    found = state.services.machine.options.get(RasterOptions)
    return costs(state.holdings, found or RasterOptions())


@router.get("/costs")
def storage_costs(request: Request) -> Costs:
    """What keeping the catalog's rasters costs a month, tier by tier. Added up anew every minute."""
    return costs_of(request)
