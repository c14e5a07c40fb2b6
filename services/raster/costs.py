"""What keeping the catalog's rasters costs, tier by tier."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydantic import BaseModel, ConfigDict

from core.catalog import Catalog, Holding
from core.lookout import Lookout
from services.raster.models import Tier
from services.raster.options import RasterOptions

SERVES = 60.0
"""Seconds. Adding up reads every item, which a large catalog need not do for everyone who asks."""


class TierCost(BaseModel):
    """The files of one tier, over all items of the catalog."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    tier: Tier
    items: int
    bytes: int
    price: float
    """What a gigabyte costs to keep for a month."""
    monthly_cost: float


class Costs(BaseModel):
    """What keeping the catalog's rasters costs a month, by this installation's prices."""

    currency: str
    tiers: list[TierCost]
    """Those that hold anything, the most costly first."""
    bytes: int
    monthly_cost: float


def watched(catalog: Catalog) -> Lookout[list[Holding]]:
    """What the catalog holds, added up behind the back of whoever asks."""
    return Lookout(lambda: catalog.holdings(), "the catalog", SERVES)


def costs(look: Callable[[], Sequence[Holding]], options: RasterOptions) -> Costs:
    known = {tier.value: tier for tier in Tier}
    found = [_cost(known[each.tier], each, options) for each in look() if each.tier in known]
    return Costs(
        currency=options.currency,
        tiers=sorted(found, key=lambda each: (-each.monthly_cost, -each.bytes)),
        bytes=sum(each.bytes for each in found),
        monthly_cost=round(sum(each.monthly_cost for each in found), 6),
    )


def _cost(tier: Tier, holding: Holding, options: RasterOptions) -> TierCost:
    return TierCost(
        tier=tier,
        items=holding.items,
        bytes=holding.bytes,
        price=options.prices.get(tier, 0.0),
        monthly_cost=options.monthly_cost(tier, holding.bytes),
    )
