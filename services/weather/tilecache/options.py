"""What an installation sets for the tile cache."""

from pydantic import Field

from services.weather.models import Frozen
from services.weather.tilecache.region import Region


class TileOptions(Frozen):
    """A task asks its context for them."""

    regions: tuple[Region, ...] = ()
    """Those that the scheduled scan follows."""
    most_pending: int = Field(default=500, ge=1, le=10_000)
    """How many hours of a model one scan hands out at most; the others wait for the next."""
