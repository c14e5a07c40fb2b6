"""See to it that the catalog can be used."""

from core import Context, JobBase, single
from services.raster.models import Frozen
from services.stac.collection import make_standard


class Ready(Frozen):
    """The state of the catalog, and the standard collections that were missing until now."""

    version: str
    collections: int
    items: int
    created: list[str]


class StacSetup(JobBase):
    """Make the standard collections where they are missing, and tell what the catalog holds."""

    @single
    def check(self, ctx: Context) -> Ready:
        created = make_standard(ctx.catalog)
        census = ctx.catalog.census()
        return Ready(
            version=census.version,
            collections=census.collections,
            items=census.items,
            created=created,
        )
