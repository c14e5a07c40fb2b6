"""What the doctor looks at on the server's own machine: settings, database, storage, disk, packages."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import SecretStr, ValidationError

from core.errors import CoreMachineError
from triggers import wiring
from triggers.cli.findings import Finding, fail, ok, skew, skip, warn
from triggers.cli.tables import size
from triggers.local.stack import Given, Stack

ROOT = Path(__file__).parents[2]
LITTLE = 2 * 1024**3
OLDEST_POSTGRES = 15


def findings() -> Iterator[Finding]:
    try:
        given = wiring.settings()
    except ValidationError as error:
        for one in error.errors():
            name = ".".join(str(part) for part in one["loc"])
            yield fail("settings", f"{name}: {one['msg']}", "docs/reference/settings.md")
        return
    yield ok("settings", f"{', '.join(sorted(given.model_fields_set)) or 'none'} given")
    given = given.model_copy(update=_local_services(given.model_fields_set))
    yield from _if_named(given, "database_url", Given.DATABASE, _database)
    yield from _if_named(given, "storage", Given.STORAGE, _storage)
    yield from _disk(given.scratch)
    yield from _packages()


def _local_services(given: AbstractSet[str]) -> dict[str, SecretStr]:
    """What `make run` started stands in for what the environment does not name."""
    stack = Stack(ROOT / ".local")
    private = stack.settings if stack.worker.running else {}
    fields = {"database_url": Given.DATABASE, "storage": Given.STORAGE}
    return {
        field: SecretStr(private[name.value])
        for field, name in fields.items()
        if field not in given and name.value in private
    }


def _if_named(
    given: wiring.Settings,
    field: str,
    name: Given,
    look: Callable[[wiring.Settings], Iterator[Finding]],
) -> Iterator[Finding]:
    """The server's own environment may name what this one does not."""
    if field in given.model_fields_set:
        yield from look(given)
    else:
        yield skip(name.value, "not set in this environment, so not looked at")


def _database(given: wiring.Settings) -> Iterator[Finding]:
    try:
        facts = wiring.database_facts(given)
    except CoreMachineError as error:
        yield fail("database", str(error), "Is PostgreSQL up, and DATABASE_URL right?")
        return
    if facts.version < OLDEST_POSTGRES:
        yield fail("database", f"PostgreSQL {facts.version}", f"{OLDEST_POSTGRES} is needed.")
    if facts.postgis is None:
        yield fail("database", "it has no PostGIS", "Install PostGIS 3; then start a worker once.")
    if facts.missing:
        missing = ", ".join(facts.missing)
        yield fail("migrations", f"missing: {missing}", "A worker applies them when it starts.")
    else:
        yield ok("database", f"PostgreSQL {facts.version}, migrated, {size(facts.size)}")
    yield skew("database's clock", (facts.now - datetime.now(UTC)).total_seconds())


def _storage(given: wiring.Settings) -> Iterator[Finding]:
    try:
        containers = wiring.stored_containers(given)
    except (CoreMachineError, ValueError) as error:
        advice = "Is storage up, and AZURE_STORAGE_CONNECTION_STRING right?"
        yield fail("storage", str(error) or type(error).__name__, advice)
        return
    yield ok("storage", f"answers; {len(containers)} containers in bronze")


def _disk(scratch: Path | None) -> Iterator[Finding]:
    where = scratch or Path(tempfile.gettempdir())
    try:
        free = shutil.disk_usage(where).free
    except OSError as error:
        yield fail("disk", f"{where}: {error.strerror}", "Make the folder, or set CM_SCRATCH.")
        return
    told = f"{size(free)} free in {where}"
    yield ok("disk", told) if free >= LITTLE else warn("disk", told, "Make room there.")


def _packages() -> Iterator[Finding]:
    yield ok("python", sys.version.split()[0])
    wrong = [text for line in _pinned() if (text := _differs(*line))]
    if wrong:
        yield warn("packages", "; ".join(wrong), "Run 'make setup'.")
    else:
        yield ok("packages", "as requirements.txt pins them")


def _pinned() -> Iterator[tuple[str, str]]:
    """Packages that are pinned whatever the version of Python is."""
    file = ROOT / "requirements.txt"
    for line in file.read_text().splitlines() if file.exists() else ():
        if found := re.fullmatch(r"([\w.-]+)(?:\[[^\]]*\])?==([\w.]+)", line.strip()):
            yield found[1], found[2]


def _differs(name: str, wanted: str) -> str:
    try:
        installed = version(name)
    except PackageNotFoundError:
        return f"{name} is missing"
    return "" if installed == wanted else f"{name} is {installed}, not {wanted}"
