"""What an installation sets for weather."""

from pydantic import Field

from services.weather.models import Frozen


class WeatherOptions(Frozen):
    """A task asks its context for them."""

    keep_hours: float = Field(default=48.0, gt=0)
    """How long messages stay in the cache, counted from their cycle."""
    lines: int = Field(default=16, ge=1, le=64)
    """Requests that one patch makes at once."""
    cycles_back: int = Field(default=4, ge=0, le=24)
    """How many older cycles are tried where the newest is not whole."""
