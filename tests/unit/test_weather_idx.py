"""Inventories, real ones where they are beside the checkout: exact matches, and every trap that they hold."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.weather.idx import BadIndex, Kind, Match, Span, parse, timing
from services.weather.models import GFS, MODELS, Raw
from services.weather.rain import way
from services.weather.ranges import GAP, SMALL, plan
from services.weather.sample.archive import Archive, File, place_of, text_of
from services.weather.wants import Want, entry, instant, sums

CYCLE = datetime(2026, 11, 25, 12, tzinfo=UTC)
U10 = Match(variable="UGRD", level="10 m above ground")


def real(shared: Path, name: str):
    return parse((shared / "data" / "idx" / name).read_text())


@pytest.mark.parametrize(
    ("text", "kind", "span"),
    [
        ("anl", Kind.INSTANT, (0, 0)),
        ("21 hour fcst", Kind.INSTANT, (1260, 1260)),
        ("495 min fcst", Kind.INSTANT, (495, 495)),
        ("18-21 hour acc fcst", Kind.SUM, (1080, 1260)),
        ("0-1 day acc fcst", Kind.SUM, (0, 1440)),
        ("0-16 day acc fcst", Kind.SUM, (0, 16 * 1440)),
        ("0-0 day acc fcst", Kind.SUM, (0, 0)),
        ("490-495 min ave fcst", Kind.MEAN, (490, 495)),
        ("0-1 hour max fcst", Kind.MAX, (0, 60)),
        ("18-21 hour fcst", None, None),
        ("something new", None, None),
    ],
)
def test_the_time_of_a_message_is_read_whatever_its_unit(text, kind, span) -> None:
    """R143: f024 says `18-24 hour` and `0-1 day`, f384 `378-384 hour` and `0-16 day`."""
    assert timing(text) == (kind, span)


def test_a_variable_alone_matches_nothing(shared: Path) -> None:
    """R143: UGRD is also that of the boundary layer, 10 m is not 10 mb, TMP is not APTMP."""
    found = real(shared, "20221014_gfs.t06z.pgrb2.0p25.f021.idx")
    wind = found.instant(U10, 21 * 60)
    assert wind is not None
    assert (wind.offset, wind.length) == (433717880, 434684286 - 433717880)
    assert found.instant(U10, 20 * 60) is None
    temperature = found.instant(GFS.messages[Raw.TEMPERATURE].match, 21 * 60)
    assert temperature is not None
    assert temperature.offset == 429159298


def test_instant_and_mean_are_told_apart(shared: Path) -> None:
    """R143: PRATE comes as both."""
    found = real(shared, "20221014_gfs.t06z.pgrb2.0p25.f021.idx")
    now = found.instant(Match(variable="PRATE", level="surface"), 21 * 60)
    mean = found.ending(Match(variable="PRATE", level="surface", kind=Kind.MEAN), 21 * 60)
    assert now is not None
    assert now.offset == 436886134
    assert {span: each.offset for span, each in mean.items()} == {Span(1080, 1260): 438256167}


def test_two_messages_that_say_the_same_are_the_first(shared: Path) -> None:
    """R143: in f003 the sum of the bucket and that from the start are called alike, and are alike."""
    found = real(shared, "gfs.t00z.pgrb2.0p25.f003.idx")
    assert [e.offset for e in found.entries if e.variable == "APCP"] == [423399106, 423699364]
    assert sums(GFS, found, 3) == [Span(0, 180)]
    assert entry(GFS, found, Want(Raw.RAIN, Span(0, 180))).offset == 423399106  # type: ignore[union-attr]


def test_hours_and_days_are_one_scale(shared: Path) -> None:
    found = real(shared, "gfs.t00z.pgrb2.0p25.f384.idx")
    assert set(sums(GFS, found, 384)) == {Span(378 * 60, 384 * 60), Span(0, 384 * 60)}


def test_the_begin_of_a_forecast_has_no_sums(shared: Path) -> None:
    """R144."""
    found = real(shared, "20221014_gfs.t00z.pgrb2.0p25.f000.idx")
    assert sums(GFS, found, 0) == []
    assert found.instant(U10, 0) is not None


def test_the_last_message_has_an_open_end(shared: Path) -> None:
    """R144."""
    found = real(shared, "gfswave.t18z.atlocn.0p16.f001.grib2.idx")
    assert [e.length is None for e in found.entries] == [False] * 18 + [True]


def test_fields_that_share_a_message_share_its_bytes(shared: Path) -> None:
    found = real(shared, "nam.nam.t00z.conusnest.hiresf01.tm00.grib2.idx")
    u, v = (
        found.instant(Match(variable=n, level="10 m above ground"), 60) for n in ("UGRD", "VGRD")
    )
    assert u is not None
    assert v is not None
    assert (u.offset, u.length, u.part) == (v.offset, v.length, 1)
    assert v.part == 2
    assert len(plan([u, v])) == 1


def test_minutes_and_names_without_a_name_are_lines_like_others(shared: Path) -> None:
    found = real(shared, "20221014_hrrr.t03z.wrfsubhf09.grib2.idx")
    assert found.instant(Match(variable="TMP", level="2 m above ground"), 495) is not None
    assert any(e.variable.startswith("var discipline=0") for e in found.entries)


def test_an_index_of_ecmwf_is_an_inventory(shared: Path) -> None:
    found = real(shared, "ifs.20260227000000-102h-oper-fc.index")
    model = MODELS["ecmwf"]
    assert found.cycle == datetime(2026, 2, 27, tzinfo=UTC)
    assert entry(model, found, instant(Raw.U, 102)).offset == 61556738  # type: ignore[union-attr]
    assert sums(model, found, 102) == [Span(0, 102 * 60)]


def test_spreads_and_chances_are_no_forecasts() -> None:
    """NBM writes them into the same file, with a field at the end of the line."""
    found = parse(text_of("nbm", CYCLE, 6))
    model = MODELS["nbm"]
    rain = [e for e in found.entries if e.variable == "APCP"]
    assert len(rain) == 3
    assert entry(model, found, Want(Raw.RAIN, Span(0, 360))) == rain[1]
    assert rain[0].more == ("prob >0.254", "prob fcst 255/255")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>busy</html>",
        "1:0:d=2022101400:TMP",
        '{"date": 1}',
        "1:x:d=2022101400:TMP:surface:anl:",
        "1:0:d=2022139900:TMP:surface:anl:",
        "1:0:d=2022101400:A:b:anl:\n2:9:d=2022101406:A:b:anl:",
    ],
)
def test_what_is_no_inventory_is_refused(text: str) -> None:
    with pytest.raises(BadIndex):
        parse(text)


@pytest.mark.parametrize("model", MODELS)
def test_the_made_up_inventories_have_what_the_models_promise(model: str) -> None:
    found = parse(text_of(model, CYCLE, 6))
    for raw in MODELS[model].messages:
        if raw is not Raw.RAIN:
            assert entry(MODELS[model], found, instant(raw, 6)) is not None, raw
    assert sums(MODELS[model], found, 6)


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.name)
def test_every_address_of_a_source_is_understood(model) -> None:
    for source in model.sources:
        for at, url in enumerate(source.urls(CYCLE, 6, model.words(CYCLE))):
            found = place_of(url.removeprefix("https://"))
            assert found is not None
            assert (found.model, found.cycle, found.hour, found.is_index) == (
                model,
                CYCLE,
                6,
                at == 1,
            )


def test_real_inventories_are_offered_with_messages_at_their_offsets(shared: Path) -> None:
    archive = Archive(real=shared / "data" / "idx")
    path = "noaa-gfs-bdp-pds.s3.amazonaws.com/gfs.20221014/06/atmos/gfs.t06z.pgrb2.0p25.f021"
    file = archive.find(path)
    assert isinstance(file, File)
    assert file.size > 552_000_000
    head = file.read(429159298, 429159298 + 16)
    assert head[:4] == b"GRIB"
    assert int.from_bytes(head[8:], "big") == 505180


# -- schedules


@pytest.mark.parametrize(
    ("model", "run", "last", "there", "missing"),
    [
        ("gfs", 6, 384, (119, 120, 123, 384), (121, 122, 382)),
        ("hrrr", 6, 48, (0, 19, 48), (49,)),
        ("hrrr", 7, 18, (0, 18), (19, 48)),
        ("nbm", 12, 264, (1, 36, 39, 192, 198, 264), (0, 37, 195)),
        ("nbm", 13, 36, (1, 36), (39,)),
        ("nam", 0, 60, (0, 60), (61,)),
        ("ecmwf", 12, 240, (0, 3, 144, 150, 240), (1, 147)),
        ("ecmwf", 18, 144, (0, 144), (150,)),
    ],
)
def test_a_gap_of_the_schedule_is_no_missing_hour(model, run, last, there, missing) -> None:
    """R155."""
    hours = MODELS[model].expected(CYCLE.replace(hour=run))
    assert hours[-1] == last
    assert set(there) <= set(hours)
    assert not set(missing) & set(hours)


# -- rain


def hourly(*spans: tuple[int, int]) -> list[Span]:
    return [Span(a * 60, b * 60) for a, b in spans]


def told(known: list[Span], start: int, end: int) -> list[tuple[int, int, int]] | None:
    found = way(known, Span(start * 60, end * 60))
    return (
        None if found is None else [(t.sign, t.span.start // 60, t.span.end // 60) for t in found]
    )


def test_gfs_buckets_begin_anew_every_six_hours() -> None:
    """R154."""
    known = hourly((0, 5), (0, 6), (6, 7), (6, 8), (0, 7), (0, 8))
    assert told(known, 6, 7) == [(1, 6, 7)]
    assert told(known, 7, 8) == [(-1, 6, 7), (1, 6, 8)]
    assert told(known, 5, 6) == [(-1, 0, 5), (1, 0, 6)]


def test_hrrr_has_the_hour_itself() -> None:
    assert told(hourly((0, 4), (0, 5), (4, 5)), 4, 5) == [(1, 4, 5)]


def test_ecmwf_adds_up_from_the_start() -> None:
    assert told(hourly((0, 102), (0, 105)), 102, 105) == [(-1, 0, 102), (1, 0, 105)]


def test_nbm_goes_from_single_hours_to_six() -> None:
    known = hourly(*((h - 1, h) for h in range(31, 37)), (33, 39), (36, 42))
    assert told(known, 36, 42) == [(1, 36, 42)]
    assert sorted(told(known, 36, 39) or []) == [
        (-1, 33, 34),
        (-1, 34, 35),
        (-1, 35, 36),
        (1, 33, 39),
    ]


def test_a_missing_hour_is_gone_around() -> None:
    """R154: the sum over both hours is known, each alone is not."""
    known = hourly((0, 1), (0, 3), (2, 3))
    assert sorted(told(known, 1, 3) or []) == [(-1, 0, 1), (1, 0, 3)]
    assert sorted(told(known, 1, 2) or []) == [(-1, 0, 1), (-1, 2, 3), (1, 0, 3)]
    assert told(hourly((0, 3)), 1, 2) is None


@given(
    st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=15),
    st.integers(0, 9),
    st.integers(0, 9),
)
def test_the_terms_add_up_to_what_was_asked(pairs, start: int, end: int) -> None:
    known = [Span(a, b) for a, b in pairs if a < b]
    found = way(known, Span(start, end))
    if found is not None:
        assert sum(t.sign * (2**t.span.end - 2**t.span.start) for t in found) == 2**end - 2**start


# -- ranges


def entries(*sizes: tuple[int, int | None]):
    lines = []
    text = []
    for n, (offset, _) in enumerate(sizes, 1):
        text.append(f"{n}:{offset}:d=2022101400:V{n}:surface:anl:")
    last, length = sizes[-1]
    if length is not None:
        text.append(f"{len(sizes) + 1}:{last + length}:d=2022101400:END:surface:anl:")
    lines = parse("\n".join(text)).entries
    return lines[: len(sizes)]


def test_neighbours_share_a_request() -> None:
    a, b, c = entries((0, 100), (100, 5_000_000), (5_000_100, 100))
    assert [(r.offset, r.length) for r in plan([c, a, b])] == [(0, 5_000_200)]


def test_a_gap_is_read_only_where_it_is_cheap() -> None:
    """The issue's measure: at most 1.02 times the messages."""
    first, _, second, _, third = entries(
        (0, 1_000_000),
        (1_000_000, GAP),
        (1_000_000 + GAP, 1_000_000),
        (2_000_000 + GAP, GAP + 1),
        (3_000_000, 9),
    )
    found = plan([first, second, third])
    assert [r.offset for r in found] == [0, 3_000_000]
    small, _, other = entries((0, 100), (100, 50), (150, 100))
    assert len(plan([small, other])) == 2


def test_large_neighbours_go_apart_while_lines_are_free() -> None:
    pair = entries((0, SMALL), (SMALL, SMALL))
    assert len(plan(pair, lines=1)) == 1
    assert len(plan(pair, lines=8)) == 2


def test_an_open_end_stays_alone() -> None:
    a, b = entries((0, 100), (100, None))
    assert [(r.offset, r.length) for r in plan([a, b])] == [(0, 100), (100, None)]


@given(st.lists(st.integers(1, 3_000_000), min_size=1, max_size=30), st.data(), st.integers(1, 16))
def test_every_message_is_in_one_range_and_little_else(sizes, data, lines) -> None:
    offsets = [sum(sizes[:n]) for n in range(len(sizes))]
    every = entries(*zip(offsets, sizes, strict=True))
    wanted = data.draw(st.sets(st.sampled_from(every), min_size=1))
    ranges = plan(wanted, lines)
    inside = [e for r in ranges for e in r.entries]
    assert sorted(inside) == sorted(wanted)
    assert all(
        r.offset <= e.offset and e.offset + e.length <= r.end for r in ranges for e in r.entries
    )  # type: ignore[operator]
    assert sum(r.length or 0 for r in ranges) <= 1.02 * sum(e.length or 0 for e in wanted)
