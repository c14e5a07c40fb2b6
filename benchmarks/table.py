"""The one table a run makes: each number beside what it was compared with in the same run."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement. `ok` is None where nothing is promised, or nothing could be compared."""

    what: str
    measured: str
    beside: str = ""
    ratio: float | None = None
    hold: str = ""
    ok: bool | None = None

    @property
    def verdict(self) -> str:
        return {True: "yes", False: "NO", None: ""}[self.ok]

    @property
    def cells(self) -> list[str]:
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        return [self.what, self.measured, self.beside, ratio, self.hold, self.verdict]


HEAD = ["what", "measured", "limit or peer of the same run", "ratio", "hold", "ok"]


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a run took place."""

    cpu: str
    cores: int
    kernel: str
    python: str
    postgresql: str
    date: str

    @classmethod
    def here(cls, postgresql: str) -> Machine:
        names = [
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ]
        return cls(
            cpu=names[0] if names else platform.machine(),
            cores=os.cpu_count() or 1,
            kernel=platform.release(),
            python=platform.python_version(),
            postgresql=postgresql,
            date=datetime.now(UTC).date().isoformat(),
        )

    def __str__(self) -> str:
        return (
            f"{self.cores} cores of {self.cpu}, Linux {self.kernel}, Python {self.python}, "
            f"PostgreSQL {self.postgresql} with fsync on"
        )


@dataclass(frozen=True, slots=True)
class Report:
    """What a run leaves: the rows, the machine, and what could not be measured as it should."""

    machine: Machine
    rows: Sequence[Row]
    notes: Sequence[str]
    command: str

    @property
    def holds(self) -> bool:
        return all(row.ok is not False for row in self.rows)

    def text(self) -> str:
        lines = [HEAD, *(row.cells for row in self.rows)]
        widths = [max(len(line[n]) for line in lines) for n in range(len(HEAD))]
        padded = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        ]
        rule = "-" * len(padded[0])
        return "\n".join([padded[0], rule, *padded[1:], "", str(self.machine), *self.notes])

    def json(self) -> str:
        rows = [asdict(row) for row in self.rows]
        whole = {"machine": asdict(self.machine), "rows": rows, "notes": list(self.notes)}
        return json.dumps(whole | {"command": self.command, "holds": self.holds}, indent=1)

    def markdown(self) -> str:
        rows = ["| " + " | ".join(line) + " |" for line in (HEAD, *(r.cells for r in self.rows))]
        rows.insert(1, "|" + " --- |" * len(HEAD))
        notes = [f"- {note}" for note in self.notes]
        return PAGE.format(
            command=self.command,
            date=self.machine.date,
            machine=self.machine,
            table="\n".join(rows),
            notes="\n".join(notes) or "- None.",
        )


PAGE = """# Performance

Written by `{command}` on {date}. Every number stands beside a peer or a limit that was measured in the same run, because
the ratio travels from machine to machine and the number does not.

Machine: {machine}.

{table}

## Remarks of this run

{notes}

## How each number is made

- **Tasks end to end**: one `fan_out_probe` job: n no-op tasks, a fan-in over their results, a second stage; from the call of
  `submit` until the result can be read. Two real worker processes, durable settings. *PostgreSQL limit* does the least durable
  work such a job needs (claim and complete 500 rows a commit) with nothing around it. *PgQueuer* is the fastest durable
  peer; its fan-in is a counter row made by hand.
- **Growth**: seconds per task of the largest stage over seconds per task of the smallest one.
- **Stage close**: from the time stamp of a stage's last finished task to the stage's own, both the database's. Beside it: a bare
  commit. *Closer killed*: the only worker dies by SIGKILL between the commit of the last task and the close; another
  process's reconciler finds the stage.
- **Submit**: one HTTP request on a kept connection, another job each time.
- **After a crash**: tasks finished per second, in the five seconds before `pg_ctl restart -m immediate` and in the five
  that begin ten seconds after it, while a client keeps submitting. Nothing of ours is restarted.
- **Memory**: resident size of a worker process after 10,000 light tasks, and at its largest and last over 100,000 more.
- **A process of its own**: no-op tasks of the heavy queue one after another, in the same worker without and with processes;
  from the first claim to the last end by the database's clock.
- **Cold import**: `import function_app` in a fresh process, interpreter included, median of five.

## Reproduce

`make bench` runs everything (about twelve minutes; a quiet machine gives steadier numbers) and exits with 0 if all holds.
`.venv/bin/python -m benchmarks --quick` takes about two minutes with smaller sizes. `--only close,memory` measures a part,
`--json FILE` and `--markdown FILE` save the table. Where the shared bench folder with the peers does not lie beside the
checkout, a small PostgreSQL limit of our own takes its place and the peers are left out.
"""
