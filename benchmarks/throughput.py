"""Tasks end to end, beside the fastest durable peer and the PostgreSQL limit."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.limit import batch_limit
from benchmarks.plan import Sizes
from benchmarks.rig import Rig
from benchmarks.table import Row

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "bench"
WORKPLACE = Path("~/.cache/coremachine/bench").expanduser()
OURS, PEER, LIMIT = "coremachine", "pgqueuer", "pg-limit-batch"
FLOOR, OVER_PEER, OVER_LIMIT, GROWTH, END_TO_END = 3_000, 3.0, 1 / 8, 1.3, 0.060

Summary = Mapping[str, Mapping[str, Any]]


def beside_peers(sizes: Sizes, notes: list[str]) -> list[Row]:
    """Run the shared bench with the product plugged in as one more peer."""
    place = workplace()
    small = run_peers(place, sizes, sizes.stages[:-1], "job,seq", sizes.repeats)
    large = run_peers(place, sizes, sizes.stages[-1:], "job", 1)
    summary = {name: {**large.get(name, {}), **seen} for name, seen in small.items()}
    for part in (small, large):
        for name, seen in part.items():
            notes += [f"{name}: {error}" for error in seen["errors"]]
    rows = [rate_row(summary, n, judged=n == sizes.judged) for n in sizes.stages]
    rows.append(growth_row(summary, sizes))
    rows.append(_cpu_row(summary, sizes.stages[-1]))
    return [*rows, *_end_to_end_rows(summary)]


def workplace() -> Path:
    """A writable copy of the shared bench, which keeps the peers' environments between runs."""
    shutil.copytree(SHARED, WORKPLACE, dirs_exist_ok=True)
    ours = WORKPLACE / "venvs" / OURS
    ours.parent.mkdir(exist_ok=True)
    ours.unlink(missing_ok=True)
    ours.symlink_to(sys.prefix)
    return WORKPLACE


def run_peers(
    place: Path, sizes: Sizes, stages: tuple[int, ...], scenarios: str, repeats: int
) -> Summary:
    answer = place / "answer.json"
    answer.unlink(missing_ok=True)
    options = {
        "--n": ",".join(map(str, stages)),
        "--peers": f"{LIMIT},{OURS},{PEER}",
        "--peer-file": str(ROOT / "benchmarks" / "peer_coremachine.py"),
        "--scenarios": scenarios,
        "--seq-count": str(sizes.single_jobs),
        "--reps": str(repeats),
        "--quiet-wait": str(sizes.quiet_wait),
        "--json": str(answer),
    }
    command = [sys.executable, "run_peers.py", *(part for pair in options.items() for part in pair)]
    subprocess.run(command, cwd=place, check=True, stdout=subprocess.DEVNULL)
    return json.loads(answer.read_text())["summary"]


def rate(summary: Summary, name: str, n: int) -> float | None:
    return summary.get(name, {}).get(f"n{n}", {}).get("tasks_s")


def rate_row(summary: Summary, n: int, *, judged: bool) -> Row:
    ours, peer, limit = (rate(summary, name, n) for name in (OURS, PEER, LIMIT))
    what = f"{n:,} no-op tasks end to end"
    if ours is None:
        return Row(what, "failed", ok=False)
    over_peer, over_limit = _ratio(ours, peer), _ratio(ours, limit)
    beside = f"PgQueuer {_per_second(peer)}; PostgreSQL limit {_per_second(limit)} ({_share(over_limit)})"
    holds = (
        ours >= FLOOR
        and (over_peer is None or over_peer >= OVER_PEER)
        and (over_limit is None or over_limit >= OVER_LIMIT)
    )
    hold = f">= 3 x PgQueuer, >= 1/8 of the limit, >= {FLOOR:,}/s" if judged else ""
    return Row(what, _per_second(ours), beside, over_peer, hold, holds if judged else None)


def growth_row(summary: Summary, sizes: Sizes) -> Row:
    small, large = sizes.stages[0], sizes.stages[-1]
    growth = {
        name: _ratio(rate(summary, name, small), rate(summary, name, large))
        for name in (OURS, PEER, LIMIT)
    }
    ours = growth[OURS]
    beside = f"PgQueuer {_times(growth[PEER])}; PostgreSQL limit {_times(growth[LIMIT])}"
    return Row(
        f"cost per task, {large:,} against {small:,} in a stage",
        _times(ours),
        beside,
        ours,
        f"<= {GROWTH} x",
        ours is not None and ours <= GROWTH,
    )


def _cpu_row(summary: Summary, n: int) -> Row:
    """What noise of other programs hardly touches: the processor time of workers and server together."""
    ours, peer, limit = (
        summary.get(name, {}).get(f"n{n}", {}).get("cpu_per_1000") for name in (OURS, PEER, LIMIT)
    )
    beside = f"PgQueuer {_seconds(peer)}; PostgreSQL limit {_seconds(limit)}"
    what = f"processor seconds per 1,000 tasks, {n:,} in a stage"
    return Row(what, _seconds(ours), beside, _ratio(ours, peer))


def _end_to_end_rows(summary: Summary) -> list[Row]:
    ours, peer = (summary.get(name, {}).get("seq") for name in (OURS, PEER))
    if ours is None:
        return [Row("job of one task end to end p50", "failed", ok=False)]
    rows: list[Row] = []
    for point, hold in (("p50", f"< {END_TO_END * 1000:.0f} ms"), ("p99", "")):
        mine = ours[f"e2e_{point}_ms"]
        other = peer[f"e2e_{point}_ms"] if peer else None
        rows.append(
            Row(
                f"job of one task, its fan-in and a second stage, end to end {point}",
                f"{mine:.1f} ms",
                "" if other is None else f"PgQueuer {other:.1f} ms",
                _ratio(mine, other),
                hold,
                mine < END_TO_END * 1000 if hold else None,
            )
        )
    return rows


def beside_own_limit(rig: Rig, sizes: Sizes, notes: list[str]) -> list[Row]:
    """The same rows against a small limit of our own, where the shared bench is not beside the checkout."""
    notes.append("The shared bench is not beside this checkout: peers are left out.")
    for _ in range(2):
        rig.worker()
    rig.seconds(20)
    summary: dict[str, dict[str, Any]] = {OURS: {}, LIMIT: {}}
    for n in sizes.stages:
        summary[LIMIT][f"n{n}"] = {"tasks_s": batch_limit(rig.dsn, n)}
        summary[OURS][f"n{n}"] = {"tasks_s": n / rig.seconds(n)}
    times = sorted(rig.seconds(1) * 1000 for _ in range(sizes.single_jobs))
    summary[OURS]["seq"] = {"e2e_p50_ms": times[len(times) // 2], "e2e_p99_ms": times[-1]}
    rows = [rate_row(summary, n, judged=n == sizes.judged) for n in sizes.stages]
    return [*rows, growth_row(summary, sizes), *_end_to_end_rows(summary)]


def _ratio(mine: float | None, other: float | None) -> float | None:
    return None if mine is None or not other else mine / other


def _per_second(value: float | None) -> str:
    return "not measured" if value is None else f"{value:,.0f}/s"


def _times(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.2f} x"


def _seconds(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3f} s"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} of it"
