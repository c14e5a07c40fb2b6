"""Home: what runs, what needs me, what was made lately."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from fastapi.responses import Response

from core.errors import CoreMachineError
from core.states import JobStatus
from triggers.http.services import Services
from triggers.pages.page import ThePage

router = APIRouter(include_in_schema=False)

FEW = 5
RUNNING = (JobStatus.PROCESSING, JobStatus.QUEUED, JobStatus.PAUSED)
DONE = (JobStatus.COMPLETED, JobStatus.COMPLETED_WITH_ERRORS)
NEWEST = 12
NEWEST_FIRST = [{"field": "properties.created", "direction": "desc"}]


@dataclass(frozen=True, slots=True)
class Dataset:
    """An item of the catalog as a card."""

    collection: str
    name: str
    bbox: list[float] | None
    made: str | None
    picture: str | None

    @property
    def link(self) -> str:
        return f"/catalog/{quote(self.collection, safe='')}/{quote(self.name, safe='')}"


@router.get("/")
def home(page: ThePage) -> Response:
    """What runs now, what needs somebody, and what is new."""
    insights = page.services.insights
    lines = insights.newest([*RUNNING, *DONE, JobStatus.FAILED], FEW)
    found = newest(page.services)
    return page.show(
        "home.html",
        running=[line for status in RUNNING for line in lines[status]][:FEW],
        failed=lines[JobStatus.FAILED],
        gates=insights.gates(FEW),
        status=insights.deep(),
        finished=[line for status in DONE for line in lines[status]][:FEW],
        datasets=found,
        boxes=json.dumps(
            [{"name": each.name, "bbox": each.bbox} for each in found or () if each.bbox]
        ),
    )


def newest(services: Services) -> list[Dataset] | None:
    """The newest items of the catalog; None while it cannot be asked."""
    try:
        found = services.catalog.search({"limit": NEWEST, "sortby": NEWEST_FIRST})
    except CoreMachineError:
        return None
    return [_dataset(item, shows=services.tiles) for item in found["features"]]


def _dataset(item: dict[str, Any], *, shows: bool) -> Dataset:
    collection, name = str(item["collection"]), str(item["id"])
    kinds = [str(asset.get("type", "")) for asset in item.get("assets", {}).values()]
    is_raster = shows and any(kind.startswith("image/tiff") for kind in kinds)
    tiles = (
        f"/api/tiles/{quote(collection, safe='')}/{quote(name, safe='')}/preview.png?max_size=256"
    )
    box: list[float] | None = item.get("bbox")
    if box is not None and len(box) == 6:
        box = [box[0], box[1], box[3], box[4]]
    return Dataset(
        collection, name, box, item["properties"].get("created"), tiles if is_raster else None
    )
