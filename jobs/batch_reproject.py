"""Bring many rasters into one coordinate reference system."""

from typing import Any

from pydantic import Field, model_validator

from core import (
    HEAVY,
    Context,
    JobBase,
    Results,
    Retry,
    fan_in,
    fan_out,
    keep_going,
    minutes,
    single,
)
from services.raster import batch, known, sources
from services.raster.batch import Batch, Made
from services.raster.sources import Named, Sources
from services.raster.wishes import NAME, ManyWishes
from services.stac import publishing


class BatchReproject(JobBase, Sources, ManyWishes):
    """Reproject each raster in a task of its own, write COGs, and publish them all."""

    target_crs: str  # pyright: ignore[reportGeneralTypeIssues, reportIncompatibleVariableOverride]
    """The coordinate reference system that all get, as `EPSG:3857`."""
    collection: str = Field(default="reprojected", pattern=NAME)
    """The collection of the items, and the folder of the COGs."""
    publish: bool = True
    """Make items for the catalog; otherwise COGs alone."""

    @model_validator(mode="before")
    @classmethod
    def known_names(cls, given: Any) -> Any:
        return known.several(given)

    @single(timeout=minutes(30))
    def find(self, ctx: Context) -> list[Named]:
        return batch.find(ctx, self, self)

    @fan_out(
        find,
        queue=HEAVY,
        retry=Retry(attempts=5),
        timeout=minutes(120),
        on_failure=keep_going(),
    )
    def reproject(self, ctx: Context, named: Named) -> Made:
        looked = batch.look(ctx, named, self)
        return publishing.make(ctx, looked, self, self.fingerprint, published=self.publish)

    @fan_in(reproject, find, timeout=minutes(60))
    def sum_up(self, ctx: Context, made: Results[Made], named: list[Named]) -> Batch:
        duplicates = sources.duplicates(self)
        return publishing.publish_many(ctx, made, named, self, duplicates=duplicates)
