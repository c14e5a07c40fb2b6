"""`coremachine templates`: named parameters that jobs are submitted from."""

from __future__ import annotations

from typing import Annotated

import typer

from triggers.cli import watching
from triggers.cli.command import command
from triggers.cli.document import From, parameters_from
from triggers.cli.session import Session
from triggers.cli.tables import Column, facts, short

app = typer.Typer(no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="The template's name.")]
TEMPLATES = (
    Column("name", lambda each: each.name),
    Column("version", lambda each: each.version, right=True),
    Column("job type", lambda each: each.job_type),
    Column("parameters", lambda each: each.parameters, gives=True),
)
USES = (
    Column("job", lambda use: short(use.job_id)),
    Column("version", lambda use: use.version, right=True),
    Column("age", lambda use: use.at, right=True),
    Column("by", lambda use: use.by, gives=True),
    Column("instead", lambda use: use.overrides or "", gives=True),
)


@app.callback()
def templates() -> None:
    """Named parameters that jobs are submitted from."""


@command(app, "list")
def list_(session: Session) -> None:
    """List the templates."""
    session.listing(session.client.templates, TEMPLATES, "There are no templates.")


@command(app)
def show(session: Session, name: Name) -> None:
    """Show the newest version of a template."""
    found = session.client.templates.get(name)
    told = list(found.model_dump(mode="json", exclude={"links"}).items())
    session.answer(found, lambda: typer.echo("\n".join(facts(told))))


@command(app)
def put(
    session: Session,
    name: Name,
    job_type: Annotated[str, typer.Argument(metavar="JOB_TYPE", help="What it submits.")],
    source: From = None,
) -> None:
    """Make a template, or a new version of it.

    \b
    coremachine templates put dem process_raster --from dem.yaml
    """
    made = session.client.templates.put(name, job_type, parameters_from(source))
    session.answer(made, f"{made.name} is at version {made.version}.")


@command(app)
def versions(session: Session, name: Name) -> None:
    """List the versions of a template."""
    session.listing(session.client.templates.versions(name), TEMPLATES, "There are none.")


@command(app)
def submissions(session: Session, name: Name) -> None:
    """List what was submitted of a template, by whom and with what in place of its own."""
    session.listing(
        session.client.templates.submissions(name), USES, "Nothing was submitted of it."
    )


@command(app)
def submit(
    session: Session,
    name: Name,
    source: From = None,
    version: Annotated[int | None, typer.Option(min=1, help="Not the newest version.")] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Show the job until it has ended.")
    ] = True,
) -> None:
    """Submit a job from a template. What the file says wins over the template.

    \b
    coremachine templates submit dem --from new.yaml --no-wait
    """
    overrides = parameters_from(source)
    submitted = session.client.templates.submit(name, overrides, version=version)
    if not wait:
        return session.answer(submitted, submitted.job_id)
    session.remark(f"job {short(submitted.job_id)}, of {name} version {submitted.version}")
    watching.conclude(session, watching.wait(session, submitted.job_id, None))


@command(app)
def delete(session: Session, name: Name) -> None:
    """Delete a template; jobs that were submitted from it stay."""
    session.client.templates.delete(name)
    session.answer({"name": name, "deleted": True}, f"{name} is deleted.")
