"""Search the catalog for more than a page."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from core import BlobRef, Context, JobBase, minutes, single
from core.blobs import Zone
from services.stac import searching
from services.stac.searching import Form, Found


class StacSearch(JobBase):
    """Page through everything that a search finds, and write it to the silver zone as one file."""

    collections: list[str] = []
    """Only items of these collections."""
    bbox: Annotated[list[float], Field(min_length=4, max_length=4)] | None = None
    """Only items that meet this box: west, south, east, north in degrees."""
    datetime: Annotated[str, AfterValidator(searching.interval)] | None = None
    """Only items of this moment, or of a span as `2024-01-01T00:00:00Z/..`."""
    filter: dict[str, Any] | None = None
    """What items must say, as CQL2 JSON."""
    limit: int = Field(default=10_000, ge=1, le=100_000)
    """Write no more than so many items."""
    form: Form = Form.GEOJSON
    """One GeoJSON document (`geojson`), or an item per line (`ndjson`)."""

    @property
    def query(self) -> dict[str, Any]:
        asked = {
            "collections": self.collections,
            "bbox": self.bbox,
            "datetime": self.datetime,
            "filter": self.filter,
        }
        return {name: value for name, value in asked.items() if value}

    @single(timeout=minutes(30))
    def write_down(self, ctx: Context) -> Found:
        def report(count: int) -> None:
            ctx.check()
            ctx.report(count / self.limit, f"{count} items")

        target = BlobRef.of(
            Zone.SILVER, "coremachine", f"searches/{ctx.job_id}/{ctx.token}.{self.form}"
        )
        found = searching.items(ctx.catalog, self.query, self.limit, report)
        count = searching.write(ctx.blobs, found, target, self.form)
        return Found(count=count, blob=target, complete=count < self.limit)
