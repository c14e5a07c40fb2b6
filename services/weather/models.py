"""The forecast models as data: when they run, which hours they have, where they are published, what their messages are called."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from core.errors import BadInput
from services.geo.projecting import Box
from services.weather.idx import Kind, Match


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Raw(StrEnum):
    """What models publish, by the names we have for it."""

    U = "u10"
    V = "v10"
    SPEED = "speed10"
    DIRECTION = "direction10"
    TEMPERATURE = "t2m"
    DEWPOINT = "d2m"
    HUMIDITY = "r2m"
    GUST = "gust"
    CLOUD = "cloud"
    PRESSURE = "mslp"
    MIXED = "blh"
    VISIBILITY = "visibility"
    RAIN = "rain"


class Code(Frozen):
    """How GRIB2 itself calls a field: discipline, category, number. What arrives must say it, whatever an index said."""

    discipline: int
    category: int
    number: int


class Message(Frozen):
    """One of a model's fields: how the inventory names it, how the message does, and what makes it ours."""

    match: Match
    code: Code | None
    """None where a model has called it in several ways over time."""
    height: float | None = None
    """Metres above ground, for fields that have one."""
    scale: float = 1.0
    """Times this, it is in our unit: ECMWF's rain is in metres."""


class Hours(Frozen):
    """Forecast hours `first` to `last` every `step`, of runs at these hours of the day."""

    runs: frozenset[int]
    first: int
    last: int
    step: int


class Source(Frozen):
    """A place that publishes a model. Templates know `{ymd}`, `{hh}`, `{hour}` and what the model adds."""

    name: str
    grib: str
    index: str
    every: float = 0.0
    """Seconds between two requests at least, where a service asks for that."""

    def urls(self, cycle: datetime, hour: int, words: Mapping[str, str]) -> tuple[str, str]:
        """Of the file and of its inventory."""
        said = {"ymd": f"{cycle:%Y%m%d}", "hh": f"{cycle:%H}", "hour": hour, **words}
        return self.grib.format_map(said), self.index.format_map(said)


class Model(Frozen):
    """A forecast model."""

    name: str
    title: str
    cell: float
    """The distance of its grid points: degrees where `metric` is false, metres otherwise."""
    metric: bool = False
    area: Box = (-180.0, -90.0, 180.0, 90.0)
    """Where it has data, roughly: outside, it is not asked."""
    every: int
    """Hours between two runs."""
    late: int
    """Hours after its time that a run usually is there as a whole."""
    hours: tuple[Hours, ...]
    sources: tuple[Source, ...]
    """In order of preference."""
    messages: Mapping[Raw, Message]

    def cycle_at(self, moment: datetime) -> datetime:
        """The last run at or before a moment."""
        day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        return day + timedelta(hours=moment.hour // self.every * self.every)

    def expected(self, cycle: datetime) -> list[int]:
        """The forecast hours that a run has when it is whole."""
        spans = [each for each in self.hours if cycle.hour in each.runs]
        return sorted(
            {hour for each in spans for hour in range(each.first, each.last + 1, each.step)}
        )

    def words(self, cycle: datetime) -> dict[str, str]:
        """What the templates of some models need besides."""
        return {"stream": "oper" if cycle.hour in (0, 12) else "scda"}

    def covers(self, box: Box) -> bool:
        west, south, east, north = box
        inside = self.area[1] <= south and north <= self.area[3]
        if self.area[2] - self.area[0] >= 360:
            return inside
        return inside and self.area[0] <= west <= east <= self.area[2]


ALL, SYNOPTIC = frozenset(range(24)), frozenset({0, 6, 12, 18})
MAIN = frozenset({0, 12})
CONUS: Box = (-134.0, 21.2, -60.9, 52.6)
NOMADS = "https://nomads.ncep.noaa.gov/pub/data/nccf/com"
PACE = 0.5
GROUND2, GROUND10 = "2 m above ground", "10 m above ground"

U, V = Code(discipline=0, category=2, number=2), Code(discipline=0, category=2, number=3)
SPEED, DIRECTION = (
    Code(discipline=0, category=2, number=1),
    Code(discipline=0, category=2, number=0),
)
GUST = Code(discipline=0, category=2, number=22)
TEMPERATURE, DEWPOINT = (Code(discipline=0, category=0, number=n) for n in (0, 6))
HUMIDITY, RAIN = (Code(discipline=0, category=1, number=n) for n in (1, 8))
CLOUD = Code(discipline=0, category=6, number=1)
PRESSURE = Code(discipline=0, category=3, number=1)
MIXED = Code(discipline=0, category=3, number=196)
"""NOAA's own number."""
VISIBILITY = Code(discipline=0, category=19, number=0)


def _noaa(root: str, name: str, path: str, every: float = 0.0) -> Source:
    return Source(name=name, grib=f"{root}/{path}", index=f"{root}/{path}.idx", every=every)


def _message(
    variable: str, level: str, code: Code | None, kind: Kind = Kind.INSTANT, **more: float
) -> Message:
    height = {GROUND2: 2.0, GROUND10: 10.0}.get(level)
    found = Match(variable=variable, level=level, kind=kind)
    return Message.model_validate({"match": found, "code": code, "height": height, **more})


WINDS = {Raw.U: _message("UGRD", GROUND10, U), Raw.V: _message("VGRD", GROUND10, V)}
AIR = {
    Raw.TEMPERATURE: _message("TMP", GROUND2, TEMPERATURE),
    Raw.DEWPOINT: _message("DPT", GROUND2, DEWPOINT),
    Raw.HUMIDITY: _message("RH", GROUND2, HUMIDITY),
    Raw.RAIN: _message("APCP", "surface", RAIN, Kind.SUM),
}

GFS_PATH = "gfs.{ymd}/{hh}/atmos/gfs.t{hh}z.pgrb2.0p25.f{hour:03d}"
GFS = Model(
    name="gfs",
    title="NOAA Global Forecast System, 0.25 degrees",
    cell=0.25,
    every=6,
    late=5,
    hours=(
        Hours(runs=SYNOPTIC, first=0, last=120, step=1),
        Hours(runs=SYNOPTIC, first=123, last=384, step=3),
    ),
    sources=(
        _noaa("https://noaa-gfs-bdp-pds.s3.amazonaws.com", "aws", GFS_PATH),
        _noaa("https://storage.googleapis.com/global-forecast-system", "google", GFS_PATH),
        _noaa(f"{NOMADS}/gfs/prod", "nomads", GFS_PATH, PACE),
    ),
    messages={
        **WINDS,
        **AIR,
        Raw.GUST: _message("GUST", "surface", GUST),
        Raw.CLOUD: _message("TCDC", "entire atmosphere", CLOUD),
        Raw.MIXED: _message("HPBL", "surface", MIXED),
        Raw.VISIBILITY: _message("VIS", "surface", VISIBILITY),
        Raw.PRESSURE: _message("PRMSL", "mean sea level", PRESSURE),
    },
)

HRRR_PATH = "hrrr.{ymd}/conus/hrrr.t{hh}z.wrfsfcf{hour:02d}.grib2"
HRRR = Model(
    name="hrrr",
    title="NOAA High-Resolution Rapid Refresh, 3 km, contiguous United States",
    cell=3000.0,
    metric=True,
    area=CONUS,
    every=1,
    late=2,
    hours=(
        Hours(runs=ALL, first=0, last=18, step=1),
        Hours(runs=SYNOPTIC, first=19, last=48, step=1),
    ),
    sources=(
        _noaa("https://noaa-hrrr-bdp-pds.s3.amazonaws.com", "aws", HRRR_PATH),
        _noaa("https://storage.googleapis.com/high-resolution-rapid-refresh", "google", HRRR_PATH),
        _noaa(f"{NOMADS}/hrrr/prod", "nomads", HRRR_PATH, PACE),
    ),
    messages={
        **WINDS,
        **AIR,
        Raw.GUST: _message("GUST", "surface", GUST),
        Raw.CLOUD: _message("TCDC", "entire atmosphere", CLOUD),
        Raw.MIXED: _message("HPBL", "surface", MIXED),
        Raw.VISIBILITY: _message("VIS", "surface", VISIBILITY),
    },
)

NBM_PATH = "blend.{ymd}/{hh}/core/blend.t{hh}z.core.f{hour:03d}.co.grib2"
NBM = Model(
    name="nbm",
    title="NOAA National Blend of Models, 2.5 km, contiguous United States",
    cell=2540.0,
    metric=True,
    area=(-138.0, 19.3, -59.1, 57.0),
    every=1,
    late=2,
    hours=(
        Hours(runs=ALL, first=1, last=36, step=1),
        Hours(runs=SYNOPTIC, first=39, last=192, step=3),
        Hours(runs=SYNOPTIC, first=198, last=264, step=6),
    ),
    sources=(
        _noaa("https://noaa-nbm-grib2-pds.s3.amazonaws.com", "aws", NBM_PATH),
        _noaa(f"{NOMADS}/blend/prod", "nomads", NBM_PATH, PACE),
    ),
    messages={
        **AIR,
        Raw.SPEED: _message("WIND", GROUND10, SPEED),
        Raw.DIRECTION: _message("WDIR", GROUND10, DIRECTION),
        Raw.GUST: _message("GUST", GROUND10, GUST),
        Raw.CLOUD: _message("TCDC", "surface", CLOUD),
    },
)

NAM_PATH = "nam.{ymd}/nam.t{hh}z.conusnest.hiresf{hour:02d}.tm00.grib2"
NAM = Model(
    name="nam",
    title="NOAA North American Mesoscale, nest of 3 km, contiguous United States",
    cell=3000.0,
    metric=True,
    area=CONUS,
    every=6,
    late=4,
    hours=(Hours(runs=SYNOPTIC, first=0, last=60, step=1),),
    sources=(
        _noaa("https://noaa-nam-pds.s3.amazonaws.com", "aws", NAM_PATH),
        _noaa(f"{NOMADS}/nam/prod", "nomads", NAM_PATH, PACE),
    ),
    messages={
        **WINDS,
        **AIR,
        Raw.GUST: _message("GUST", "surface", GUST),
        Raw.CLOUD: _message("TCDC", "entire atmosphere (considered as a single layer)", CLOUD),
        Raw.PRESSURE: _message("PRMSL", "mean sea level", PRESSURE),
    },
)


def _ecmwf(root: str, name: str) -> Source:
    stem = root + "/{ymd}/{hh}z/ifs/0p25/{stream}/{ymd}{hh}0000-{hour}h-{stream}-fc"
    return Source(name=name, grib=f"{stem}.grib2", index=f"{stem}.index")


ECMWF = Model(
    name="ecmwf",
    title="ECMWF open data, high resolution forecast, 0.25 degrees",
    cell=0.25,
    every=6,
    late=8,
    hours=(
        Hours(runs=SYNOPTIC, first=0, last=144, step=3),
        Hours(runs=MAIN, first=150, last=240, step=6),
    ),
    sources=(
        _ecmwf("https://ecmwf-forecasts.s3.eu-central-1.amazonaws.com", "aws"),
        _ecmwf("https://storage.googleapis.com/ecmwf-open-data", "google"),
        _ecmwf("https://data.ecmwf.int/forecasts", "ecmwf"),
    ),
    messages={
        Raw.U: _message("10u", "sfc", U, height=10.0),
        Raw.V: _message("10v", "sfc", V, height=10.0),
        Raw.TEMPERATURE: _message("2t", "sfc", TEMPERATURE, height=2.0),
        Raw.DEWPOINT: _message("2d", "sfc", DEWPOINT, height=2.0),
        Raw.RAIN: _message("tp", "sfc", None, Kind.SUM, scale=1000.0),
        Raw.PRESSURE: _message("msl", "sfc", PRESSURE),
    },
)

MODELS: dict[str, Model] = {model.name: model for model in (GFS, HRRR, NBM, NAM, ECMWF)}


class ModelName(StrEnum):
    """The models that can be asked for."""

    GFS = "gfs"
    HRRR = "hrrr"
    NBM = "nbm"
    NAM = "nam"
    ECMWF = "ecmwf"


def model_named(name: str) -> Model:
    if name not in MODELS:
        raise BadInput(f"there is no model {name!r}; there are {', '.join(MODELS)}")
    return MODELS[name]
