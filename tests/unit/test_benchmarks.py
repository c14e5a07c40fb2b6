"""The benchmark's own arithmetic, and that a measurement of the real product comes out of it."""

import ast
import json
from pathlib import Path

import pytest

from benchmarks import __main__ as bench
from benchmarks import latency, pages, raster, throughput
from benchmarks.footprint import breakdown, package
from benchmarks.plan import QUICK
from benchmarks.raster_peers import Took
from benchmarks.recovery import by_second
from benchmarks.rig import percentile, rig
from benchmarks.table import Machine, Report, Row
from triggers.local.postgres import PostgresServer

ROOT = Path(__file__).parents[2]
MACHINE = Machine("a processor", 2, "6.1", "3.11", "15.18", "2026-01-01")


def report(*rows: Row) -> Report:
    return Report(MACHINE, rows, ["the machine was busy"], "python -m benchmarks")


def summary(ours: float, peer: float, limit: float) -> throughput.Summary:
    rates = {throughput.OURS: ours, throughput.PEER: peer, throughput.LIMIT: limit}
    return {
        name: {f"n{n}": {"tasks_s": rate, "cpu_per_1000": 0.1} for n in (1_000, 10_000)}
        for name, rate in rates.items()
    }


def test_one_broken_promise_fails_the_run() -> None:
    kept, broken = Row("a", "1", ok=True), Row("b", "2", ok=False)
    assert report(kept, Row("c", "3")).holds
    assert not report(kept, broken).holds


def test_the_table_says_the_same_on_the_screen_in_the_file_and_on_the_page() -> None:
    made = report(Row("tasks", "9,000/s", "PgQueuer 2,000/s", 4.5, ">= 3 x", True))
    assert "tasks  9,000/s   PgQueuer 2,000/s" in made.text()
    assert "| tasks | 9,000/s | PgQueuer 2,000/s | 4.50 | >= 3 x | yes |" in made.markdown()
    assert json.loads(made.json())["rows"][0]["ratio"] == 4.5
    assert "the machine was busy" in made.markdown()


@pytest.mark.parametrize(
    ("ours", "peer", "limit", "holds"),
    [
        (9_000, 2_000, 30_000, True),
        (9_000, 4_000, 30_000, False),  # less than three times the peer
        (9_000, 2_000, 90_000, False),  # less than an eighth of the limit
        (2_500, 500, 9_000, False),  # below the floor
    ],
)
def test_the_rate_is_judged_by_peer_limit_and_floor(
    ours: float, peer: float, limit: float, holds: bool
) -> None:
    row = throughput.rate_row(summary(ours, peer, limit), 10_000, judged=True)
    assert row.ok is holds


def test_a_product_that_did_not_run_does_not_hold() -> None:
    assert throughput.rate_row({}, 10_000, judged=True).ok is False
    assert throughput.growth_row({}, QUICK).ok is False


def test_percentiles_are_measured_values() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([float(n) for n in range(100)], 0.99) == 98.0
    assert by_second([1.0, 1.9, 2.0, 7.0], 1.0) == [2, 1, 0, 0, 0]


def test_import_time_is_told_by_package() -> None:
    assert package("azure.storage.blob._models") == "azure.storage.blob"
    assert package("azure.functions.decorators") == "azure.functions"
    assert package("json.decoder") == "json"
    assert "azure." in breakdown()


def test_the_peer_file_is_one_that_the_shared_bench_can_read() -> None:
    tree = ast.parse((ROOT / "benchmarks" / "peer_coremachine.py").read_text())
    literal = next(
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "PEER"
    )
    assert set(ast.literal_eval(literal)) == {"venv", "pip", "variants"}
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {"setup", "submit", "wait", "teardown"} <= functions


def test_an_unknown_part_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.main(["--only", "speed"])
    assert "no part 'speed'" in capsys.readouterr().err


def test_the_time_from_last_task_to_close_is_read_from_a_real_run(
    postgres_server: PostgresServer,
) -> None:
    with rig(postgres_server) as made:
        made.worker()
        runs = [made.submit(3) for _ in range(3)]
        assert all(made.wait(run) > 0 for run in runs)
        waits = latency.closings(made, runs)
        assert len(waits) == 9
        assert min(waits) >= 0


@pytest.mark.slow
def test_every_page_really_is_asked_of_a_worker(
    postgres_server: PostgresServer, azurite: str
) -> None:
    """How fast they are over few jobs says nothing; that each answers does."""
    with rig(postgres_server) as made:
        pages.fill(made, pages.FEW)
        rows = pages.measured(made, pages.FEW, azurite)
        assert [row.what for row in rows] == [f"{name} p95" for name in pages.pages("x")]
        assert made.rows("select count(*) from app.events")[0][0] > pages.FEW.jobs


# rasters


def took(*seconds: float, size: int = 100, peak: int = 1) -> list[Took]:
    return [Took(each, peak, size) for each in seconds]


def verdicts(found: dict[str, list[Took]]) -> dict[str, bool | None]:
    return {row.what: row.ok for row in raster.judged(raster.QUICK.rasters[0], found)}


def test_rasters_are_judged_against_the_faster_peer_of_the_same_round() -> None:
    found = {
        raster.RGB: took(6.0, 3.0, 6.0),
        raster.GDAL: took(10.0, 5.0, 10.0),
        raster.RIO: took(20.0, 9.0, 20.0, size=1),
    }
    assert verdicts(found)["3 MB RGB: ours"] is True
    assert verdicts(found)["3 MB RGB: size"] is True
    slow = {**found, raster.RGB: took(7.0, 4.0, 7.0, size=101, peak=1 << 40)}
    assert set(verdicts(slow).values()) == {False}


def test_the_same_settings_and_two_tiers_are_judged_where_they_were_measured() -> None:
    found = {raster.RGB: took(1.0), raster.GDAL: took(2.0), raster.RIO: took(2.0)}
    more = {
        raster.FETCHED: took(1.2),
        raster.AS_GDAL: took(2.2),
        raster.TUNED: took(2.0),
        raster.TWO_TIERS: took(1.7),
    }
    assert verdicts({**found, **more})["3 MB RGB: ours, as gdal_translate"] is False
    assert verdicts({**found, **more})["3 MB RGB: ours, two tiers"] is True
    assert verdicts({**found, **more})["3 MB RGB: ours, fetched from storage too"] is None


@pytest.mark.slow
def test_rasters_really_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """How fast small ones are says nothing; that giants come through and wide containers are planned does."""
    monkeypatch.setattr(raster, "LISTED", 600.0)
    made = raster.measure(["convert", "giants", "container"], raster.QUICK)
    told = {row.what: row.ok for row in made.rows}
    assert told["1,050 blobs listed and planned"] is True
    assert "60,000 x 30,000 sparse: 2 tiles, 30 empty" in told
    assert told["3 MB RGB: memory at most"] is True
