"""Wrong wiring never gets far: the type checker marks it, and the import of the job fails with a helpful text."""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import JobDefinitionError

SAMPLE = Path(__file__).with_name("wrong_wiring.py")
SOURCE = SAMPLE.read_text()
LINES = SOURCE.splitlines()
MARK = re.compile(r"# wrong: (.*)")
WRONG = {number: mark[1] for number, line in enumerate(LINES, 1) if (mark := MARK.search(line))}
JOBS = [
    node
    for node in ast.parse(SOURCE).body
    if isinstance(node, ast.ClassDef) and ast.unparse(node.bases[0]) == "JobBase"
]
PREAMBLE = "\n".join(LINES[: JOBS[0].lineno - 1])
ROOT = Path(__file__).parents[2]


def mistake(job: ast.ClassDef) -> str | None:
    inside = range(job.lineno, (job.end_lineno or 0) + 1)
    return next((WRONG[number] for number in inside if number in WRONG), None)


def make(job: ast.ClassDef) -> type:
    names: dict[str, object] = {"__name__": "sample"}
    exec(f"{PREAMBLE}\n{ast.get_source_segment(SOURCE, job)}", names)  # noqa: S102 - our own sample
    return names[job.name]


def pyright() -> str:
    found = shutil.which("pyright", path=str(Path(sys.executable).parent)) or shutil.which(
        "pyright"
    )
    assert found, "pyright is not installed; it is among the development requirements"
    return found


def test_the_type_checker_marks_every_mistake_and_nothing_else():
    asked = subprocess.run(
        [pyright(), "--outputjson", str(SAMPLE)], cwd=ROOT, capture_output=True, text=True
    )
    found = json.loads(asked.stdout)["generalDiagnostics"]
    marked = {one["range"]["start"]["line"] + 1: one["message"] for one in found}
    assert {n: LINES[n - 1] for n in WRONG.keys() - marked.keys()} == {}, "not found"
    assert {n: marked[n] for n in marked.keys() - WRONG.keys()} == {}, "not wrong"


@pytest.mark.parametrize("job", [j for j in JOBS if mistake(j)], ids=lambda job: job.name)
def test_a_job_that_is_wired_wrongly_fails_at_import_and_says_why(job):
    """R44: a job that could never run is never installed."""
    with pytest.raises(JobDefinitionError) as refused:
        make(job)
    assert mistake(job) in str(refused.value)


def test_a_job_that_is_wired_rightly_is_made():
    (right,) = [make(job) for job in JOBS if not mistake(job)]
    assert [stage.name for stage in right.stages][-1] == "publish"


def test_each_wrong_job_has_one_mistake():
    assert len(WRONG) == len(JOBS) - 1 == 20


def test_the_sample_is_checked_strictly():
    assert SOURCE.startswith("# pyright: strict")
