"""Turn a list of like rasters into one collection of the catalog."""

from typing import Any

from pydantic import model_validator

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
from services.raster.batch import Batch, Looked, Lost, Made
from services.raster.sources import Named, Sources
from services.raster.wishes import ManyWishes
from services.stac import publishing


class ProcessRasterCollection(
    JobBase,
    Sources,
    ManyWishes,
    also=("process_raster_collection_v2", "process_raster_collection_docker"),
):
    """Look at many rasters, make sure that they are of one kind, convert a raster per task, and publish them all."""

    homogeneous: bool = True
    """Fail where rasters differ in CRS, bands, cells, pixel size or type from the most of them."""

    @model_validator(mode="before")
    @classmethod
    def known_names(cls, given: Any) -> Any:
        return known.several(given)

    @single(timeout=minutes(30))
    def find(self, ctx: Context) -> list[Named]:
        return batch.find(ctx, self, self)

    @fan_out(find, queue=HEAVY, on_failure=keep_going())
    def look(self, ctx: Context, named: Named) -> Looked:
        return batch.look(ctx, named, self)

    @fan_in(look, find)
    def compare(self, ctx: Context, looked: Results[Looked], named: list[Named]) -> list[Lost]:
        lost = batch.compare(looked, named, self)
        if self.homogeneous:
            batch.refuse_odd(looked, self)
        return lost

    @fan_out(
        look,
        after=(compare,),
        queue=HEAVY,
        retry=Retry(attempts=5),
        timeout=minutes(120),
        on_failure=keep_going(),
    )
    def convert(self, ctx: Context, looked: Looked) -> Made:
        return publishing.make(ctx, looked, self, self.fingerprint)

    @fan_in(convert, find, compare, timeout=minutes(60))
    def publish(
        self, ctx: Context, made: Results[Made], named: list[Named], lost: list[Lost]
    ) -> Batch:
        duplicates = sources.duplicates(self)
        return publishing.publish_many(ctx, made, named, self, lost, duplicates)
