"""The command and all its parts."""

from __future__ import annotations

from typing import Annotated

import typer

from triggers.cli import (
    audit,
    batches,
    blobs,
    catalog,
    doctor,
    glances,
    house,
    job_types,
    keys,
    letters,
    limits,
    reading,
    schedules,
    settings,
    steering,
    submit,
    templates,
    webhooks,
)
from triggers.cli.command import Root, command

app = typer.Typer(
    cls=Root,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # what rich would draw takes twice the time of all the rest
    context_settings={"help_option_names": ["--help", "-h"]},
)


@app.callback()
def coremachine(
    ctx: typer.Context,
    server: Annotated[
        str | None,
        typer.Option(envvar="CM_SERVER", metavar="URL", help="The server's address."),
    ] = None,
    api_key: Annotated[
        str | None, typer.Option(envvar="CM_API_KEY", help="The key to call it with.")
    ] = None,
    no_color: Annotated[str, typer.Option(envvar="NO_COLOR", hidden=True)] = "",
) -> None:
    """Submit geospatial jobs, follow them, and operate CoreMachine.

    \b
    coremachine submit hello_world --names Ada --names Grace
    coremachine list --status failed
    coremachine doctor

    Every command has --help and --json. A job's id may be shortened to its first letters.
    """
    if no_color:
        ctx.color = False


app.add_typer(submit.app, name="submit", rich_help_panel="Submit")
app.add_typer(templates.app, name="templates", rich_help_panel="Submit")
app.add_typer(batches.app, name="batches", rich_help_panel="Submit")
app.add_typer(schedules.app, name="schedules", rich_help_panel="Submit")
reading.register(app)
job_types.register(app)
steering.register(app)
glances.register(app)
app.add_typer(blobs.app, name="blobs", rich_help_panel="Data")
app.add_typer(catalog.app, name="catalog", rich_help_panel="Data")
app.add_typer(limits.app, name="limits", rich_help_panel="Installation")
app.add_typer(letters.app, name="letters", rich_help_panel="Installation")
app.add_typer(house.app, name="house", rich_help_panel="Installation")
app.add_typer(webhooks.app, name="webhooks", rich_help_panel="Installation")
app.add_typer(keys.app, name="keys", rich_help_panel="Installation")
command(app, panel="Installation")(keys.whoami)
audit.register(app)
doctor.register(app)
app.add_typer(settings.app, name="config", rich_help_panel="Installation")


def main() -> None:
    """Where the installed command begins."""
    app(prog_name="coremachine")
