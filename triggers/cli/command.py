"""How a function becomes a command: it gets a session, and every command takes --json."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from contextlib import contextmanager
from inspect import Parameter
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperGroup

from triggers.cli.config import target
from triggers.cli.exits import Code, code_of
from triggers.cli.session import Session
from triggers.cli.tables import json_of

F = TypeVar("F", bound=Callable[..., None])
AsJson = Annotated[
    bool, typer.Option("--json", help="Answer with JSON and nothing else, for scripts.")
]
JSON = "coremachine.json"
PANELS = ("Submit", "Look", "Steer", "Data", "Installation")
"""The sections of the help, in their order."""


class Root(TyperGroup):
    """The outermost command: whatever the client refuses becomes a sentence and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        with explained(ctx):
            return super().invoke(ctx)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """In sections, as people look for them."""
        for panel in PANELS:
            rows = [
                (name, each.get_short_help_str(formatter.width - 16))
                for name, each in self.commands.items()
                if vars(each).get("rich_help_panel") == panel
            ]
            with formatter.section(panel):
                formatter.write_dl(rows)


@contextmanager
def explained(ctx: Any) -> Generator[None]:
    try:
        yield
    except (typer.Exit, typer.Abort, BrokenPipeError):
        raise
    # The client's errors are looked up when there is one, for importing them takes time.
    except Exception as error:
        from coremachine_client import ClientError  # noqa: PLC0415

        if not isinstance(error, ClientError | OSError):
            raise
        complain(error, as_json=ctx.meta.get(JSON, False))
        code = code_of(error) if isinstance(error, ClientError) else Code.USAGE
        raise typer.Exit(code) from None


def complain(error: Exception, *, as_json: bool) -> None:
    """Say on stderr what went wrong, and which parameters are not right."""
    wrong: list[dict[str, Any]] = getattr(error, "errors", [])
    told = {
        "error": {
            "code": getattr(error, "code", type(error).__name__),
            "message": str(error),
            "correlation_id": getattr(error, "correlation_id", None),
            "errors": wrong,
        }
    }
    if as_json:
        typer.echo(json_of(told), err=True)
        return
    typer.echo(f"coremachine: {error}", err=True)
    for each in wrong:
        typer.echo(f"  {each.get('parameter')}: {each.get('message')}", err=True)
    if (name := told["error"]["correlation_id"]) and getattr(error, "status", 0) >= 500:
        typer.echo(f"  correlation id {name}", err=True)


def command(
    app: typer.Typer, name: str | None = None, *, panel: str | None = None
) -> Callable[[F], F]:
    """Register a function, whose first parameter is the session, under its own or this name."""

    def register(function: F) -> F:
        named = name or function.__name__.strip("_").replace("_", "-")
        app.command(named, rich_help_panel=panel)(as_command(function))
        return function

    return register


def as_command(function: Callable[..., None]) -> Callable[..., None]:
    """The function with the parameters that typer shall see: its own, without the session, and --json."""
    _, *own = inspect.signature(function, eval_str=True).parameters.values()

    def run(ctx: typer.Context, as_json: bool, **given: Any) -> None:
        session = session_of(ctx, as_json=as_json)
        try:
            function(session, **given)
        finally:
            session.close()

    parameters = [
        Parameter("ctx", Parameter.KEYWORD_ONLY, annotation=typer.Context),
        *(each.replace(kind=Parameter.KEYWORD_ONLY) for each in own),
        Parameter("as_json", Parameter.KEYWORD_ONLY, annotation=AsJson, default=False),
    ]
    vars(run)["__signature__"] = inspect.Signature(parameters)
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    run.__doc__, run.__name__ = function.__doc__, function.__name__
    return run


def session_of(ctx: typer.Context, *, as_json: bool = False) -> Session:
    """A session with the server that the options before the command name."""
    ctx.meta[JSON] = as_json
    asked = ctx.find_root().params
    return Session(target(asked.get("server"), asked.get("api_key")), as_json)
