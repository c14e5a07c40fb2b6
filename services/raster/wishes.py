"""What a caller may wish of every raster job: the parameters that they share, said once."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from core.blobs import BlobRef, Zone
from services.raster.models import RasterType, Tier
from services.raster.processing import Asked

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
FOLDER = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,255}$"


class Wishes(BaseModel):
    """Where a raster goes, and what is made of it. A job inherits it beside `JobBase`."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    collection: str = Field(pattern=NAME)
    """The collection that the items belong to; it is made when missing."""
    collection_must_exist: bool = False
    """Fail where the collection is missing."""
    collection_description: str | None = Field(default=None, max_length=4_000)
    """What the collection holds, for one that is made."""
    tiers: Annotated[list[Tier], Field(min_length=1, max_length=3)] = [Tier.ANALYSIS]
    """What to build: visualization (JPEG), analysis (lossless, quick to read), archive (lossless, small)."""
    raster_type: RasterType | None = None
    """What the cells mean, where the guess would be wrong."""
    input_crs: str | None = None
    """The coordinate reference system of a file that names none, as `EPSG:32635`."""
    target_crs: str | None = None
    """Reproject to this one; the COGs keep the file's own otherwise."""
    quality: int | None = Field(default=None, ge=1, le=100)
    """Of JPEG, in the visualization tier; 85 when not given."""
    band_names: dict[str, str] = {}
    """Names for bands by their number, as `{"1": "red"}`."""
    folder: str | None = Field(default=None, pattern=FOLDER)
    """Where the output goes inside `silver/rasters`; a folder per collection and item when not given."""
    strict_mode: bool = False
    """Fail over what is otherwise only warned of, and where one of several tiers fails."""

    def asked_for(self, item_id: str, version: str) -> Asked:
        """Of one raster. Another version gives other names, so nothing changes what an old item points to."""
        folder = self.folder or f"{self.collection}/{item_id}"
        prefix = BlobRef.of(Zone.SILVER, "rasters", f"{folder}/{version[:12]}/{item_id}")
        given = self.model_dump(include=set(Asked.model_fields))
        return Asked.model_validate({**given, "item_id": item_id, "prefix": prefix})


class ManyWishes(Wishes):
    """Of a job over many rasters."""

    item_prefix: str = Field(default="", pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,31})?$")
    """How every item's id begins; the rest is made of the file's path."""
    max_failures: float = Field(default=0.1, ge=0, le=1)
    """The share of rasters that may fail; with more than that, nothing is published."""
