"""Which messages a made-up file holds, in the order and with the traps of the real ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from services.weather.idx import Kind
from services.weather.models import GROUND2, GROUND10, Raw

LEVELS = (1000, 850, 500, 250, 10, 2)


class Line(NamedTuple):
    """One message: how the inventory calls it, and what it is. `raw` is None for what nobody asks for."""

    variable: str
    level: str
    raw: Raw | None = None
    kind: Kind = Kind.INSTANT
    hours: int = 0
    """How many hours it adds up, or is the mean of."""
    more: str = ""
    joined: bool = False
    """It lies in the same message as the one before."""
    as_days: bool = False

    def forecast(self, hour: int) -> str:
        """The time as the inventory writes it."""
        if self.kind is Kind.INSTANT:
            return "anl" if hour == 0 else f"{hour} hour fcst"
        start = hour - self.hours
        if self.as_days and start % 24 == 0 and hour % 24 == 0:
            return f"{start // 24}-{hour // 24} day {self.kind.value} fcst"
        return f"{start}-{hour} hour {self.kind.value} fcst"


def gfs(hour: int) -> list[Line]:
    bucket = hour - (hour - 1) // 6 * 6
    lines = [
        Line("PRMSL", "mean sea level", Raw.PRESSURE),
        Line("CLMR", "1 hybrid level"),
        Line("UGRD", "planetary boundary layer"),
        Line("VGRD", "planetary boundary layer"),
        Line("GUST", "surface", Raw.GUST),
        *(Line(name, f"{level} mb") for level in LEVELS for name in ("TMP", "RH", "UGRD", "VGRD")),
        Line("TMP", "surface"),
        Line("TMP", "0.1-0.4 m below ground"),
        Line("TMP", GROUND2, Raw.TEMPERATURE),
        Line("SPFH", GROUND2),
        Line("DPT", GROUND2, Raw.DEWPOINT),
        Line("RH", GROUND2, Raw.HUMIDITY),
        Line("APTMP", GROUND2),
        *([Line("TMAX", GROUND2, kind=Kind.MAX, hours=bucket)] if hour else []),
        Line("UGRD", GROUND10, Raw.U),
        Line("VGRD", GROUND10, Raw.V),
        Line("PRATE", "surface"),
    ]
    if hour:
        lines += [
            Line("PRATE", "surface", kind=Kind.MEAN, hours=bucket),
            Line("APCP", "surface", Raw.RAIN, Kind.SUM, bucket),
            Line("APCP", "surface", Raw.RAIN, Kind.SUM, hour, as_days=True),
            Line("TCDC", "entire atmosphere", kind=Kind.MEAN, hours=bucket),
        ]
    return [
        *lines,
        Line("TCDC", "entire atmosphere", Raw.CLOUD),
        Line("HPBL", "surface", Raw.MIXED),
        Line("VIS", "surface", Raw.VISIBILITY),
        Line("VWSH", "PV=-2e-06 (Km^2/kg/s) surface"),
    ]


def hrrr(hour: int) -> list[Line]:
    return [
        Line("REFC", "entire atmosphere"),
        Line("var discipline=0 center=7 local_table=1 parmcat=16 parm=201", "entire atmosphere"),
        Line("GUST", "surface", Raw.GUST),
        Line("UGRD", "250 mb"),
        Line("TMP", "surface"),
        Line("TMP", GROUND2, Raw.TEMPERATURE),
        Line("DPT", GROUND2, Raw.DEWPOINT),
        Line("RH", GROUND2, Raw.HUMIDITY),
        Line("UGRD", GROUND10, Raw.U),
        Line("VGRD", GROUND10, Raw.V),
        Line("WIND", GROUND10, kind=Kind.MAX, hours=min(1, hour)),
        Line("PRATE", "surface"),
        Line("APCP", "surface", Raw.RAIN, Kind.SUM, hour, as_days=True),
        *([Line("APCP", "surface", Raw.RAIN, Kind.SUM, 1)] if hour else []),
        Line("TCDC", "entire atmosphere", Raw.CLOUD),
        Line("HPBL", "surface", Raw.MIXED),
        Line("VIS", "surface", Raw.VISIBILITY),
        Line("SBT114", "top of atmosphere"),
    ]


def nbm(hour: int) -> list[Line]:
    spread = "ens std dev"
    lines = [
        Line("TMP", GROUND2, Raw.TEMPERATURE),
        Line("TMP", GROUND2, more=spread),
        Line("DPT", GROUND2, Raw.DEWPOINT),
        Line("DPT", GROUND2, more=spread),
        Line("RH", GROUND2, Raw.HUMIDITY),
        Line("WIND", GROUND10, Raw.SPEED),
        Line("WIND", GROUND10, more=spread),
        Line("WIND", "80 m above ground"),
        Line("WDIR", GROUND10, Raw.DIRECTION),
        Line("GUST", GROUND10, Raw.GUST),
        Line("TCDC", "surface", Raw.CLOUD),
        Line("TCDC", "surface", more=spread),
    ]
    if hour >= 6 and hour % 3 == 0:
        chance = "prob >0.254:prob fcst 255/255"
        lines += [
            Line("APCP", "surface", kind=Kind.SUM, hours=6, more=chance),
            Line("APCP", "surface", Raw.RAIN, Kind.SUM, 6),
        ]
    if hour <= 36:
        lines.append(Line("APCP", "surface", Raw.RAIN, Kind.SUM, 1))
    return lines


def nam(hour: int) -> list[Line]:
    bucket = hour - (hour - 1) // 3 * 3
    return [
        Line("PRMSL", "mean sea level", Raw.PRESSURE),
        Line("GUST", "surface", Raw.GUST),
        Line("UGRD", "10 mb"),
        Line("VGRD", "10 mb", joined=True),
        Line("TMP", GROUND2, Raw.TEMPERATURE),
        Line("DPT", GROUND2, Raw.DEWPOINT),
        Line("RH", GROUND2, Raw.HUMIDITY),
        Line("UGRD", GROUND10, Raw.U),
        Line("VGRD", GROUND10, Raw.V, joined=True),
        Line("TCDC", "entire atmosphere (considered as a single layer)", Raw.CLOUD),
        *([Line("APCP", "surface", Raw.RAIN, Kind.SUM, bucket)] if hour else []),
    ]


def ecmwf(hour: int) -> list[Line]:
    """The levels are those of its index: `sfc`, `pl 500`."""
    return [
        Line("lsm", "sfc"),
        Line("u", "pl 500"),
        Line("10fg3", "sfc"),
        *([Line("tp", "sfc", Raw.RAIN, Kind.SUM, hour)] if hour else []),
        Line("msl", "sfc", Raw.PRESSURE),
        Line("100u", "sfc"),
        Line("10u", "sfc", Raw.U),
        Line("skt", "sfc"),
        Line("10v", "sfc", Raw.V),
        Line("2t", "sfc", Raw.TEMPERATURE),
        Line("t", "pl 1000"),
        Line("2d", "sfc", Raw.DEWPOINT),
    ]


LISTS: dict[str, Callable[[int], list[Line]]] = {
    "gfs": gfs,
    "hrrr": hrrr,
    "nbm": nbm,
    "nam": nam,
    "ecmwf": ecmwf,
}
