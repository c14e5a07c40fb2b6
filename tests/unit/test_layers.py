"""What import-linter cannot say: who may speak to which package, who reads the environment, and how long things get."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("coremachine_client", "core", "jobs", "services", "infrastructure", "triggers")
LONGEST_FILE, LONGEST_FUNCTION = 400, 50

SPEAKERS = {
    "azure.functions": ("function_app.py", "triggers"),
    "azure.storage": ("infrastructure",),
    "azure.servicebus": ("infrastructure",),
    "azure.core": ("infrastructure",),
    "azure.identity": ("infrastructure",),
    "psycopg": ("infrastructure",),
    "psycopg_pool": ("infrastructure",),
    "azure.monitor": ("infrastructure",),
    "prometheus_client": ("infrastructure",),
    "opentelemetry": ("infrastructure",),
    "asyncpg": ("infrastructure",),
    "pypgstac": ("infrastructure",),
    "rasterio": ("services",),
    "rio_cogeo": ("services",),
    "affine": ("services",),
    "numpy": ("services",),
    "numba": ("services",),
    "morecantile": ("services",),
    "rio_tiler": ("services",),
    "titiler": ("triggers",),
    "xarray": ("services",),
    "zarr": ("services",),
    "cfgrib": ("services",),
    "jwt": ("infrastructure",),
    "fastapi": ("triggers",),
    "starlette": ("triggers",),
    "uvicorn": ("triggers",),
    "stac_fastapi": ("triggers",),
    "httpx": ("coremachine_client",),
    "httpx_sse": ("coremachine_client",),
    "typer": ("triggers/cli",),
    "yaml": ("triggers/cli",),
}
"""Which part of the product imports a package; no other part may."""

ENVIRONMENT_READERS = {
    "infrastructure/settings.py": "through pydantic-settings",
    "triggers/heavy/forks.py": "it tells a library, which reads nothing else, to start no threads",
    "triggers/devhost/settings.py": "it is a host, and a host's settings are the environment it gives its app",
}

OF_ONE_THREAD = {
    "triggers/cli": "a command",
    "triggers/local": "what starts the others",
}
"""Where imports may come late without waiting for each other."""


@cache
def parsed(text: str) -> ast.Module:
    return ast.parse(text)


class Source(NamedTuple):
    """One of the product's files."""

    name: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return parsed(self.text)


class Import(NamedTuple):
    """A module by its whole name, and where it is imported."""

    module: str
    file: str
    line: int


def sources() -> list[Source]:
    files = [ROOT / "function_app.py", *(f for p in PACKAGES for f in (ROOT / p).rglob("*.py"))]
    return [Source(str(file.relative_to(ROOT)), file.read_text()) for file in files]


SOURCES = sources()


def imports(source: Source) -> Iterator[Import]:
    """Every import, also those inside functions. `from azure import core` names azure.core."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (Import(name, source.name, node.lineno) for name in names)


def is_of(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def strangers(package: str, allowed: tuple[str, ...], files: list[Source]) -> list[Import]:
    return [
        found
        for source in files
        if not source.name.startswith(allowed)
        for found in imports(source)
        if is_of(found.module, package)
    ]


def environment_reads(source: Source) -> list[str]:
    reads = []
    for node in ast.walk(source.tree):
        match node:
            case ast.Attribute(ast.Name("os"), "environ" | "environb" | "getenv" | "putenv"):
                reads.append(f"{source.name}:{node.lineno}")
            case ast.ImportFrom(module="os") if {"environ", "getenv"} & {
                a.name for a in node.names
            }:
                reads.append(f"{source.name}:{node.lineno}")
    return reads


def long_functions(source: Source) -> list[str]:
    return [
        f"{source.name}:{node.lineno} {node.name} has {length} lines"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
    ]


def unguarded_imports(source: Source) -> list[str]:
    """Imports in functions that are not under core.imports.one_at_a_time."""
    guarded = {
        id(inside)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.With)
        and any(ast.unparse(item.context_expr) == "one_at_a_time" for item in node.items)
        for inside in ast.walk(node)
    }
    return [
        f"{source.name}:{node.lineno}"
        for function in ast.walk(source.tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in guarded
    ]


@pytest.mark.parametrize("package", SPEAKERS)
def test_only_its_speakers_import(package: str) -> None:
    assert strangers(package, SPEAKERS[package], SOURCES) == []


def test_no_other_cloud_package_comes_in_unseen() -> None:
    """A new azure package is given its place in SPEAKERS before anyone imports it."""
    known = [name for name in SPEAKERS if name.startswith("azure.")]
    unknown = [
        found
        for source in SOURCES
        for found in imports(source)
        if is_of(found.module, "azure")
        and found.module != "azure"
        and not any(is_of(found.module, name) for name in known)
    ]
    assert unknown == []


def test_the_environment_is_read_in_its_places_alone() -> None:
    reads = [
        read
        for source in SOURCES
        if source.name not in ENVIRONMENT_READERS
        for read in environment_reads(source)
    ]
    assert reads == []


def test_late_imports_wait_for_each_other() -> None:
    """Two threads that import a package at once may get it half made."""
    product = [s for s in SOURCES if not s.name.startswith((*OF_ONE_THREAD, "coremachine_client"))]
    assert [found for source in product for found in unguarded_imports(source)] == []


def test_no_place_is_excused_that_does_not_exist() -> None:
    assert set(ENVIRONMENT_READERS) <= {source.name for source in SOURCES}
    assert all((ROOT / place).is_dir() for place in OF_ONE_THREAD)


def test_no_file_is_too_long() -> None:
    lengths = {source.name: len(source.text.splitlines()) for source in SOURCES}
    assert {name: n for name, n in lengths.items() if n > LONGEST_FILE} == {}


def test_no_function_is_too_long() -> None:
    assert [found for source in SOURCES for found in long_functions(source)] == []


@pytest.mark.parametrize(
    ("code", "caught"),
    [
        ("import psycopg", True),
        ("import psycopg.rows as rows", True),
        ("from psycopg import sql", True),
        ("def f():\n    import psycopg", True),
        ("import psycopg2", False),
        ("from core import errors", False),
    ],
)
def test_a_stranger_is_caught(code: str, caught: bool) -> None:
    """The check itself: it must be able to fail."""
    assert bool(strangers("psycopg", ("infrastructure",), [Source("jobs/new.py", code)])) is caught


@pytest.mark.parametrize(
    "code", ["import os\nos.environ['A']", "import os\nos.getenv('A')", "from os import environ"]
)
def test_reading_the_environment_is_caught(code: str) -> None:
    assert environment_reads(Source("jobs/new.py", code))


def test_a_long_function_is_caught() -> None:
    body = "\n".join(["def f():", *["    pass"] * LONGEST_FUNCTION])
    assert long_functions(Source("jobs/new.py", body))


@pytest.mark.parametrize(
    ("code", "caught"),
    [
        ("import os", False),
        ("def f():\n    import os", True),
        ("def f():\n    with one_at_a_time:\n        import os", False),
        ("class A:\n    async def f():\n        from os import path", True),
    ],
)
def test_a_late_import_is_caught(code: str, caught: bool) -> None:
    assert bool(unguarded_imports(Source("jobs/new.py", code))) is caught
