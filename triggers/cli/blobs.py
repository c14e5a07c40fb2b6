"""`coremachine blobs`: send, fetch and list."""

from __future__ import annotations

import hashlib
import json
import sys
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triggers.cli.command import command
from triggers.cli.session import Session
from triggers.cli.tables import Column, facts, rows_of, size

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

app = typer.Typer(no_args_is_help=True)
Ref = Annotated[str, typer.Argument(metavar="REF", help="The blob, as bronze/rasters/dem.tif.")]
BLOBS = (
    Column("size", lambda blob: size(blob.size), right=True),
    Column("modified", lambda blob: blob.modified, right=True),
    Column("blob", lambda blob: blob.ref),
)
CONTAINERS = (
    Column("container", lambda each: f"{each.zone}/{each.container}"),
    Column("as jobs take it", lambda each: each.name),
)


COSTS = (
    Column("tier", lambda each: each.tier),
    Column("items", lambda each: each.items, right=True),
    Column("size", lambda each: size(each.bytes), right=True),
    Column("a GB costs", lambda each: each.price, right=True),
    Column("a month", lambda each: f"{each.monthly_cost:,.2f}", right=True),
)


@app.callback()
def blobs() -> None:
    """Send blobs, fetch them, list them.

    Blobs are named zone/container/path. What comes in goes into bronze.
    """


@command(app)
def put(
    session: Session,
    source: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False)],
    ref: Ref,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the blob that has this name.")
    ] = False,
    content_type: Annotated[
        str | None, typer.Option(help="As image/tiff; guessed from the name otherwise.")
    ] = None,
) -> None:
    """Send a file. Run it again after a break: what has arrived is not sent again.

    \b
    coremachine blobs put dem.tif bronze/rasters/dem.tif
    """
    ref = f"{ref}{source.name}" if ref.endswith("/") else ref
    note = _Note(session, source, ref, overwrite)
    with _moving(session, source.name) as moved:
        blob = session.client.blobs.put(
            source,
            ref,
            overwrite=overwrite,
            content_type=content_type,
            resume=note.read(),
            began=note.write,
            progress=moved,
        )
    note.forget()
    session.answer(blob, blob.ref)


@command(app)
def get(
    session: Session,
    ref: Ref,
    target: Annotated[
        str, typer.Argument(metavar="[FILE]", help="Where to; - for stdout.", show_default=False)
    ] = ".",
) -> None:
    """Fetch a blob. Run it again after a break: what has arrived is not fetched again.

    \b
    coremachine blobs get silver/rasters/dem.tif
    coremachine blobs get silver/reports/list.json - | jq .
    """
    if target == "-":
        for chunk in session.client.blobs.chunks(ref):
            sys.stdout.buffer.write(chunk)
        return
    file = Path(target)
    file = file / ref.rsplit("/", 1)[-1] if file.is_dir() else file
    with _moving(session, file.name) as moved:
        blob = session.client.blobs.get(ref, file, progress=moved)
    told = {**blob.model_dump(mode="json"), "file": str(file)}
    session.answer(told, str(file))


@command(app)
def ls(
    session: Session,
    where: Annotated[
        str | None,
        typer.Argument(
            metavar="[WHERE]", help="A zone, a container, or how names begin: bronze/dem/2024/"
        ),
    ] = None,
    suffix: Annotated[str | None, typer.Option(help="Only names that end so, as .tif")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")] = 1000,
) -> None:
    """List containers, or the blobs of one.

    \b
    coremachine blobs ls bronze
    coremachine blobs ls silver/rasters/demo/ --suffix .tif
    """
    zone, _, rest = (where or "").partition("/")
    if not rest:
        found = session.client.blobs.containers(zone or None)
        return session.listing(found, CONTAINERS, "There are no containers.")
    listed = session.client.blobs.ls(f"{zone}/{rest}", suffix=suffix)
    session.listing(islice(listed, limit), BLOBS, "There are no such blobs.")


@command(app)
def show(session: Session, ref: Ref) -> None:
    """Show the facts of a blob: its size, its type, when it came."""
    found = session.client.blobs.info(ref)
    told = list(found.model_dump(mode="json", exclude={"links"}).items())
    session.answer(found, lambda: typer.echo("\n".join(facts(told))))


@command(app)
def link(
    session: Session,
    ref: Ref,
    write: Annotated[bool, typer.Option("--write", help="To send a new blob, by PUT.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="With --write: it may replace a blob.")
    ] = False,
) -> None:
    """Print a link to a blob that needs no key, for a while. Whoever has it may use it.

    \b
    curl -o dem.tif "$(coremachine blobs link silver/rasters/dem.tif)"
    """
    made = session.client.blobs.link(ref, write=write, overwrite=overwrite)
    session.answer(made, made.url)


@command(app)
def costs(session: Session) -> None:
    """Show what keeping the catalog's rasters costs a month, tier by tier."""
    found = session.client.blobs.costs()
    total = f"{found.monthly_cost:,.2f} {found.currency} a month for {size(found.bytes)}"
    lines = [*rows_of(found.tiers, COSTS), "", total] if found.tiers else [total]
    session.answer(found, lambda: typer.echo("\n".join(lines)))


class _Note:
    """Remembers the id of an upload on this machine, until the blob is there."""

    def __init__(self, session: Session, source: Path, ref: str, overwrite: bool) -> None:
        stat = source.stat()
        what = [session.target.server, str(source.resolve()), ref, overwrite]
        name = hashlib.sha256(json.dumps([*what, stat.st_size, stat.st_mtime_ns]).encode())
        folder = Path(typer.get_app_dir("coremachine")) / "uploads"
        self.file = folder / name.hexdigest()[:32]

    def read(self) -> str | None:
        return self.file.read_text() if self.file.exists() else None

    def write(self, upload_id: str) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(upload_id)

    def forget(self) -> None:
        self.file.unlink(missing_ok=True)


@contextmanager
def _moving(session: Session, name: str) -> Generator[Callable[[int, int], object]]:
    """Shows bytes as they move, where a person looks on."""
    if not session.shows_progress:
        yield lambda moved, of: None
        return
    from rich.progress import (  # noqa: PLC0415 - only who shows progress pays for it
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TransferSpeedColumn,
    )

    columns: list[Any] = [BarColumn(bar_width=30), DownloadColumn(), TransferSpeedColumn()]
    named = TextColumn("{task.description}", markup=False)
    with Progress(named, *columns, console=session.err) as shown:
        bar = shown.add_task(name, total=None)
        yield lambda moved, of: shown.update(bar, completed=moved, total=of)
