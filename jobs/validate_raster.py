"""Tell what is in a raster, and what processing it would do, without making anything."""

from typing import Any

from pydantic import model_validator

from core import HEAVY, BlobRef, Context, JobBase, minutes, single
from services.raster import checkup, known
from services.raster.checkup import Checkup
from services.raster.models import RasterType


class ValidateRaster(JobBase, also=("validate_raster_job",)):
    """Look at a raster, read every block of it, and report what `process_raster` would make of it."""

    source: BlobRef
    """The raster, as `zone/container/path`."""
    raster_type: RasterType | None = None
    """What the cells mean, where the guess would be wrong."""
    input_crs: str | None = None
    """The coordinate reference system of a file that names none, as `EPSG:32635`."""
    strict_mode: bool = False
    """Fail over a problem or a warning, which otherwise is only reported."""

    @model_validator(mode="before")
    @classmethod
    def known_names(cls, given: Any) -> Any:
        return known.translated(given)

    @single(queue=HEAVY)
    def look(self, ctx: Context) -> Checkup:
        return checkup.look(ctx, self.source, self.input_crs, self.raster_type)

    @single(look, queue=HEAVY, timeout=minutes(60))
    def read_all(self, ctx: Context, found: Checkup) -> Checkup:
        checked = checkup.read(ctx, found)
        if self.strict_mode:
            checkup.refuse(checked)
        return checked
