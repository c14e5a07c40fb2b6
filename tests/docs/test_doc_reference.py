"""The reference pages tell exactly what the code has: nothing is missing, and nothing is invented."""

import ast
import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

import jobs
from core.control.verbs import RULINGS, Verb
from core.errors import CoreMachineError
from core.job import JobBase
from core.registry import discover
from core.states import JOB_MOVES, STAGE_MOVES, TASK_MOVES, JobStatus, Verdict
from core.webhooks.rules import KINDS, kind_of
from infrastructure.settings import Settings
from services.storage.models import Filter
from tests.docs.pages import CODE, ROOT, Page, moves_in, page, pages
from triggers.http import docs
from triggers.http.app import create_app
from triggers.http.services import Services
from triggers.pages import routers as pages_of_the_web

PACKAGES = ("core", "jobs", "services", "infrastructure", "triggers")
NAMED_RUNNABLE = {
    "benchmarks",
    "benchmarks.chaos",
    "benchmarks.forecast",
    "benchmarks.invariants",
    "benchmarks.patch",
    "benchmarks.raster",
}


def files_of(*folders: str, ending: str = "py") -> list[Path]:
    return [file for folder in folders for file in sorted((ROOT / folder).rglob(f"*.{ending}"))]


def pages_of(area: str) -> list[Page]:
    """The reference of something, which may fill several pages."""
    return [each for each in pages() if each.name.startswith(f"docs/reference/{area}")]


def rows_of(area: str) -> list[list[str]]:
    return [row for each in pages_of(area) for row in each.rows]


# settings


def env_name(name: str, alias: Any) -> str:
    return alias or f"CM_{name.upper()}"


def shown(default: Any) -> str:
    value = default.get_secret_value() if isinstance(default, SecretStr) else default
    return {None: "not set", "": "empty"}.get(value, f"`{value}`")


def test_every_setting_stands_with_its_default() -> None:
    told = {row[0].strip("`"): row[1] for row in rows_of("settings")}
    real = {
        env_name(name, field.validation_alias): shown(field.default)
        for name, field in Settings.model_fields.items()
    }
    assert told == real


def test_no_page_names_a_setting_that_is_none() -> None:
    known = {env_name(name, f.validation_alias) for name, f in Settings.model_fields.items()}
    client = {"CM_SERVER", "CM_API_KEY"}
    variables = client | set(
        re.findall(r"^([A-Z_]+) \?=", (ROOT / "Makefile").read_text(), re.MULTILINE)
    )
    for each in pages():
        assert set(re.findall(r"\bCM_[A-Z_]*[A-Z]\b", each.text)) <= known | variables, each.name


# errors


def import_everything() -> None:
    for name in PACKAGES:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            importlib.import_module(module.name)


def tree(error: type[CoreMachineError]) -> Iterator[type[CoreMachineError]]:
    yield error
    for child in error.__subclasses__():
        yield from tree(child)


def test_every_error_stands_with_its_code_status_and_whether_it_is_retried() -> None:
    import_everything()
    real = {
        (f"`{e.code}`", f"`{e.__name__}`", str(e.status), "yes" if e.retryable else "no")
        for e in tree(CoreMachineError)
        if e.__module__.partition(".")[0] in PACKAGES
    }
    told = [tuple(row[:4]) for row in rows_of("errors") if len(row) == 5]
    assert set(told) == real
    assert len(told) == len(real)


def test_codes_without_a_class_are_those_that_tasks_really_get() -> None:
    told = [row[0].strip("`") for row in rows_of("errors") if len(row) == 3]
    texts = [f.read_text() for f in files_of("core", "infrastructure")]
    texts += [f.read_text() for f in files_of("infrastructure", ending="sql")]
    for code in told:
        assert any(f'"{code}"' in text or f"'{code}'" in text for text in texts), code


# HTTP


def routes() -> set[str]:
    """Those that the API's document describes, and the pages that show it."""
    app = create_app(Services(None, None, None, None))  # type: ignore[arg-type]
    described = {
        (m.upper(), path) for path, methods in app.openapi()["paths"].items() for m in methods
    }
    seen = [docs.router, *pages_of_the_web.ROUTERS]
    shown = {
        (m, route.path_format) for router in seen for route in router.routes for m in route.methods
    }
    return {f"{m} {path}" for m, path in described | shown | {("GET", app.openapi_url)}}


def test_every_route_stands_and_no_other() -> None:
    told = [code for each in pages_of("http") for code in each.codes() if "/" in code]
    assert set(told) == routes()


def test_every_route_has_an_example_of_itself() -> None:
    for route, _, example in (
        row for each in pages_of("http") for row in each.rows if len(row) == 3
    ):
        method, path = route.strip("`").split()
        pattern = re.sub(r"\\\{\w+\\\}", r"[^/?\\s\"`]+", re.escape(path))
        assert re.search(rf"\$URL{pattern}(?=[\s\"?`])", example), f"{route}: {example}"
        assert ("-X POST" in example) is (method == "POST"), route


# jobs

INSTALLED = discover(jobs).jobs


def test_every_job_stands_and_no_other() -> None:
    told = re.findall(r"^## ([a-z_]+)$", page("docs/reference/jobs.md").text, re.MULTILINE)
    assert sorted(told) == sorted(INSTALLED)


@pytest.mark.parametrize("job", INSTALLED.values(), ids=INSTALLED.keys())
def test_a_job_stands_with_its_parameters_and_stages(job: type[JobBase]) -> None:
    section = page("docs/reference/jobs.md").section(job.job_type)
    assert parameters_in(section) == {
        name: default_of(field) for name, field in job.model_fields.items()
    }
    assert (job.__doc__ or "").strip() in section
    stages = CODE.findall(section.partition("Stages:")[2].partition("Result:")[0])
    assert stages == [stage.name for stage in job.stages]


def parameters_in(section: str) -> dict[str, str]:
    """Those of a section's own table, and those of the tables that it shares with others."""
    titles = [link.capitalize() for link in re.findall(r"\[(what .+? take.*?)\]\(#", section)]
    told: dict[str, str] = {}
    for text in (*(page("docs/reference/jobs.md").section(title) for title in titles), section):
        rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| `")]
        told |= {row[0].strip(" `"): row[2].strip(" `") for row in rows}
    return told


def default_of(field: Any) -> str:
    if field.is_required():
        return "required"
    if field.default is None:
        return "none"
    if isinstance(field.default, Filter):
        return json.dumps(field.default.model_dump(exclude_defaults=True))
    return json.dumps(field.default)


def test_the_filter_stands_with_its_fields() -> None:
    section = page("docs/reference/jobs.md").section("The filter of both")
    assert CODE.findall(section) == list(Filter.model_fields)


# states

MACHINES = {"Job": JOB_MOVES, "Stage": STAGE_MOVES, "Task": TASK_MOVES}


def drawn(moves: Any) -> set[tuple[str, str]]:
    """The moves as a diagram shows them: final statuses end."""
    arrows = {(str(a), str(b)) for a, following in moves.items() for b in following}
    return arrows | {(str(status), "[*]") for status, following in moves.items() if not following}


def without_starts(diagram: str) -> set[tuple[str, str]]:
    return {(a, b) for a, b in moves_in(diagram) if a != "[*]"}


@pytest.mark.parametrize("title", MACHINES)
def test_a_diagram_shows_exactly_the_statuses_and_moves(title: str) -> None:
    section = page("docs/reference/states.md").section(title)
    diagram = section.partition("```mermaid")[2].partition("```")[0]
    assert without_starts(diagram) == drawn(MACHINES[title])


def test_the_fan_in_page_shows_the_way_of_a_stage() -> None:
    diagram = page("docs/explanation/how-fan-in-works.md").blocks_in("mermaid")[0].code
    assert without_starts(diagram) == drawn(STAGE_MOVES)


def test_a_diagram_starts_where_rows_start() -> None:
    starts = {
        title: {
            b for a, b in moves_in(page("docs/reference/states.md").section(title)) if a == "[*]"
        }
        for title in MACHINES
    }
    assert starts == {"Job": {"queued"}, "Stage": {"expanding", "open"}, "Task": {"queued"}}


def test_every_verdict_stands() -> None:
    assert page("docs/reference/states.md").codes() == [str(verdict) for verdict in Verdict]


# events


def event_names(file: Path) -> set[str]:
    """What a module names the events it makes. An event whose name it cannot tell fails the test."""
    module = ast.parse(file.read_text())
    named = {
        target.id: node.value
        for node in ast.walk(module)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    calls = [
        node
        for node in ast.walk(module)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Event"
    ]
    return {name for call in calls for name in strings(call.args[0], named, file)}


def strings(value: ast.expr, named: dict[str, ast.expr], file: Path) -> Iterator[str]:
    match value:
        case ast.Constant(str(text)):
            yield text
        case ast.IfExp(body=one, orelse=other):
            yield from strings(one, named, file)
            yield from strings(other, named, file)
        case ast.Dict(values=values):
            for each in values:
                yield from strings(each, named, file)
        case ast.Name(name) | ast.Subscript(value=ast.Name(name)) if name in named:
            yield from strings(named[name], named, file)
        case ast.Subscript():  # a table of another module, whose own test is its module
            return
        case _:
            raise AssertionError(
                f"{file}:{value.lineno} makes an event whose name is not plain to see"
            )


def test_every_event_stands_and_no_other() -> None:
    files = [file for file in files_of("core", "infrastructure") if "memory" not in file.parts]
    real = {name for file in files for name in event_names(file)}
    for file in files_of("infrastructure/sql", ending="sql"):
        if "insert into app.events" in (text := file.read_text()):
            real |= set(re.findall(r"'([a-z]+_[a-z_]+)'", text))
    told = [name for name in page("docs/reference/events.md").codes() if "_" in name]
    assert sorted(told) == sorted(real)


def test_a_webhook_can_ask_for_every_event() -> None:
    told = [name for name in page("docs/reference/events.md").codes() if "_" in name]
    assert sorted(map(kind_of, told)) == sorted(KINDS)


def test_every_alert_stands() -> None:
    text = (ROOT / "core/insights/questions.py").read_text()
    real = set(re.findall(r"_alert\(\s*\"(\w+)\"", text))
    section = page("docs/howto/operate-stuck-jobs.md").section("1. Is the installation well?")
    assert set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)) == real


# commands


def runnable() -> set[str]:
    """The modules that `python -m` can run."""
    guarded = [f for f in files_of(*PACKAGES) if '__name__ == "__main__"' in f.read_text()]
    return {module_name(file) for file in guarded} | NAMED_RUNNABLE


def module_name(file: Path) -> str:
    dotted = ".".join(file.relative_to(ROOT).with_suffix("").parts)
    return dotted.removesuffix(".__main__")


def test_every_make_target_stands() -> None:
    real = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    told = [code for code in page("docs/reference/cli.md").codes() if code.startswith("make ")]
    assert sorted(told) == sorted(f"make {target}" for target in real)


def test_every_module_that_can_be_run_stands() -> None:
    told = [code for code in page("docs/reference/cli.md").codes() if code.startswith("python -m ")]
    assert sorted(told) == sorted(f"python -m {name}" for name in runnable())


def test_every_option_stands() -> None:
    for file in files_of("triggers"):
        for option in re.findall(r"add_argument\(\s*\"(--[a-z-]+)\"", file.read_text()):
            section = page("docs/reference/cli.md").text.partition(f"### {module_name(file)}\n")[2]
            assert f"`{option}`" in section.partition("\n### ")[0], f"{module_name(file)} {option}"


# dependencies


def pinned() -> set[str]:
    lines = [
        line
        for name in ("requirements.txt", "requirements-dev.txt")
        for line in (ROOT / name).read_text().splitlines()
    ]
    python = {re.split(r"[\[=;<>]", line)[0] for line in lines if line and line[0] not in "#-"}
    packages = json.loads((ROOT / "package.json").read_text())
    return python | set(packages["dependencies"]) | set(packages["devDependencies"])


def test_every_pinned_package_stands_with_its_reason() -> None:
    assert sorted(page("docs/explanation/dependencies.md").codes()) == sorted(pinned())


def test_what_can_be_done_to_a_job_stands_as_the_table_has_it() -> None:
    text = page("docs/reference/states.md").text.partition("### What can be done to a job")[2]
    head, _, *rows = [line for line in text.partition("\n## ")[0].splitlines() if "|" in line]
    columns = [CODE.findall(cell) for cell in head.strip("|").split("|")[1:]]
    told = {
        Verb(verb.strip()): {
            JobStatus(status): ruling.strip()
            for statuses, ruling in zip(columns, rulings, strict=True)
            for status in statuses
        }
        for verb, *rulings in (row.strip("|").split("|") for row in rows)
    }
    assert told == RULINGS
