"""`python -m benchmarks`: every number that is promised, measured in one run, each beside a peer or a limit."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import footprint, heavy, latency, recovery, throughput
from benchmarks.plan import QUICK, Sizes
from benchmarks.rig import Rig, private_server, rig, wait_for_quiet
from benchmarks.table import Machine, Report, Row
from triggers.local.postgres import PostgresServer

Part = Callable[[Rig, Sizes], list[Row]]
ON_A_RIG: dict[str, Part] = {
    "close": latency.close_rows,
    "submit": latency.submit_rows,
    "crash": recovery.recovery_rows,
    "memory": footprint.memory_rows,
    "heavy": heavy.heavy_rows,
}
BUSY = 0.3
SAVED = Path(".local/benchmarks.json")
PARTS = ("tasks", *ON_A_RIG, "import")


def main(arguments: list[str] | None = None) -> int:
    """0 when everything that was measured holds."""
    asked = parser().parse_args(arguments)
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # a crash is part of the plan
    rows, machine, notes = measure(
        asked.only, QUICK if asked.quick else Sizes(), peers=not asked.no_peers
    )
    report = Report(machine, rows, notes, command(asked))
    print("\n" + report.text())
    save(asked.json, report.json())
    save(asked.markdown, report.markdown())
    return 0 if report.holds else 1


def measure(parts: list[str], sizes: Sizes, *, peers: bool) -> tuple[list[Row], Machine, list[str]]:
    notes: list[str] = []
    rows: list[Row] = []
    with private_server() as server:
        machine = Machine.here(version(server))
        for part in parts:
            others = wait_for_quiet(sizes.quiet_wait)
            if others > BUSY:
                notes.append(f"Others used {others:.1f} cores when {part!r} began to be measured.")
            print(f"measuring: {part}", file=sys.stderr, flush=True)
            rows += rows_of(part, server, sizes, notes, peers=peers)
    return rows, machine, notes


def command(asked: argparse.Namespace) -> str:
    """What to type to measure the same again."""
    words = ["python -m benchmarks"]
    words += ["--quick"] if asked.quick else []
    words += ["--no-peers"] if asked.no_peers else []
    words += [f"--only {','.join(asked.only)}"] if asked.only != list(PARTS) else []
    return "make bench" if len(words) == 1 else " ".join(words)


def rows_of(
    part: str, server: PostgresServer, sizes: Sizes, notes: list[str], *, peers: bool
) -> list[Row]:
    if part == "import":
        return footprint.import_rows(sizes, notes)
    if part == "tasks" and peers and throughput.SHARED.is_dir():
        return throughput.beside_peers(sizes, notes)
    with rig(server) as made:
        if part == "tasks":
            return throughput.beside_own_limit(made, sizes, notes)
        return ON_A_RIG[part](made, sizes)


def version(server: PostgresServer) -> str:
    with rig(server) as made:
        return made.rows("show server_version")[0][0].split()[0]


def save(path: Path | None, text: str) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.rstrip() + "\n")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    made.add_argument("--quick", action="store_true", help="smaller sizes, about two minutes")
    made.add_argument(
        "--only", type=parts_of, default=list(PARTS), help=f"some of: {', '.join(PARTS)}"
    )
    made.add_argument("--no-peers", action="store_true", help="compare with our own limit alone")
    made.add_argument("--json", type=Path, default=SAVED, help=f"save the table as JSON ({SAVED})")
    made.add_argument("--markdown", type=Path, help="save the table as a documentation page")
    return made


def parts_of(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in PARTS:
            raise argparse.ArgumentTypeError(f"no part {name!r}; there are: {', '.join(PARTS)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
