"""`coremachine catalog`: what STAC itself has no words for."""

from __future__ import annotations

from typing import Annotated

import typer

from triggers.cli.command import command
from triggers.cli.session import Session
from triggers.cli.tables import facts, json_of

app = typer.Typer(no_args_is_help=True)


@app.callback()
def catalog() -> None:
    """The catalog: its state, its standard collections, items of rasters."""


@command(app)
def show(session: Session) -> None:
    """Show whether the catalog is installed, and how much it holds."""
    found = session.client.catalog.setup()
    told = list(found.model_dump(mode="json", exclude={"links"}).items())
    session.answer(found, lambda: typer.echo("\n".join(facts(told))))


@command(app)
def init(session: Session) -> None:
    """Make the standard collections where they are missing."""
    created = session.client.catalog.init()
    session.answer({"created": created}, "\n".join(created) or "None is missing.")


@command(app)
def extract(
    session: Session,
    container: Annotated[
        str, typer.Argument(metavar="CONTAINER", help="Zone and container, as silver-rasters.")
    ],
    blob: Annotated[str, typer.Argument(metavar="BLOB", help="The raster's name in it.")],
    collection: Annotated[str, typer.Argument(metavar="COLLECTION", help="Where it belongs.")],
    insert: Annotated[bool, typer.Option("--insert", help="Add it to the catalog, too.")] = False,
    item_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Made of the blob's name otherwise.")
    ] = None,
) -> None:
    """Print the STAC item of a raster that lies in storage."""
    found = session.client.catalog.extract(
        container, blob, collection, insert=insert, item_id=item_id
    )
    session.answer(found, json_of(found.item))
