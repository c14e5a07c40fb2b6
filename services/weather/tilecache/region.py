"""A region as data: where it is, how fine, and which forecasts are kept of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Self

from pydantic import Field, model_validator

from services.geo.gridspec import GridSpec
from services.geo.projecting import Box
from services.weather.derive import Variable, offered
from services.weather.models import Frozen, Model, ModelName, model_named

MOST_CELLS = 120_000
"""An array of a run has every hour of it: so many cells take about 300 MB while it is built."""
USUAL = (Variable.T2M, Variable.RH2M, Variable.WIND_SPEED, Variable.GUST, Variable.PRECIPITATION)


class Region(Frozen):
    """A box of which forecasts are kept."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    bbox: Box
    """West, south, east, north in degrees."""
    resolution: float = Field(default=0.1, gt=0, le=5)
    """The edge of a cell in degrees."""
    models: tuple[ModelName, ...] = Field(min_length=1)
    variables: tuple[Variable, ...] = Field(default=USUAL, min_length=1)
    """A model that lacks one has the others."""
    runs: int = Field(default=2, ge=1, le=24)
    """How many of the newest runs are followed."""
    hours: int | None = Field(default=None, ge=0)
    """No further ahead than so many hours; as far as the model goes when not given."""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        spec = self.spec
        if spec.width * spec.height > MOST_CELLS:
            raise ValueError(
                f"{spec.width} x {spec.height} cells are more than {MOST_CELLS:,}; "
                "take larger cells, or several regions"
            )
        for name in self.models:
            model = model_named(name)
            if not model.covers(spec.bbox):
                raise ValueError(f"{name} does not cover {spec.bbox}")
            if not self.variables_of(model):
                raise ValueError(f"{name} has none of the variables; it has {offered(model)}")
        return self

    @property
    def spec(self) -> GridSpec:
        return GridSpec.from_bbox(self.bbox, self.resolution)

    @property
    def folder(self) -> str:
        """Below which its tiles lie."""
        return f"{self.name}/{self.resolution:.3f}deg"

    def variables_of(self, model: Model) -> list[Variable]:
        have = set(offered(model))
        return [each for each in dict.fromkeys(self.variables) if each.value in have]


class Wish(Frozen):
    """What is wanted of a run of a model, over all regions."""

    model: str
    run: datetime
    hours: dict[Variable, tuple[int, ...]]


def hours_of(model: Model, run: datetime, variable: Variable, last: int | None) -> list[int]:
    """The hours a whole run has of a variable: nothing has fallen before the first."""
    hours = [hour for hour in model.expected(run) if last is None or hour <= last]
    return [hour for hour in hours if hour or variable is not Variable.PRECIPITATION]


def wish(regions: Iterable[Region], model: Model, run: datetime) -> Wish:
    found: dict[Variable, set[int]] = {}
    for region in regions:
        if model.name in region.models:
            for variable in region.variables_of(model):
                hours = hours_of(model, run, variable, region.hours)
                found.setdefault(variable, set()).update(hours)
    told = {variable: tuple(sorted(hours)) for variable, hours in found.items()}
    return Wish(model=model.name, run=run, hours=told)
