"""`coremachine doctor` and `coremachine health`: what is wrong, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from triggers.cli.command import command
from triggers.cli.exits import Code
from triggers.cli.findings import Finding, State
from triggers.cli.session import Session
from triggers.cli.tables import Column, json_of

COMPONENTS = (
    Column("component", lambda each: each[0]),
    Column("status", lambda each: each[1].status),
    Column("ms", lambda each: f"{each[1].ms:.0f}", right=True),
    Column("detail", lambda each: each[1].detail, gives=True),
)
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
MARKS = {State.OK: "green", State.WARN: "yellow", State.FAIL: "red", State.SKIP: None}


def health(session: Session) -> None:
    """Show how every component of the server is. The exit code is 1 when nothing can work."""
    found = session.client.health()
    listed = list(found.components.items())

    def human() -> None:
        typer.echo(found.status)
        session.listing(listed, COMPONENTS, "")

    session.answer(found, human)
    if found.status == "unhealthy":
        raise typer.Exit(Code.FAILED)


def doctor(
    session: Session,
    local: Annotated[
        bool | None,
        typer.Option(
            "--local/--remote",
            help="Look at this machine's settings, database, storage and disk too; by default, when the server is this machine.",
        ),
    ] = None,
) -> None:
    """Look for what is wrong, and say what to do about it.

    It looks at the address and the key, the server and its components, clocks and versions, and on the server's
    own machine at its settings, database, storage and disk. The exit code is 1 when something is broken.

    \b
    coremachine doctor
    coremachine --server https://coremachine.internal doctor --json
    """
    findings: list[Finding] = []
    for finding in _everything(session, local):
        findings.append(finding)
        _show(session, finding)
    broken = sum(finding.state is State.FAIL for finding in findings)
    session.remark(_verdict(broken, sum(f.state is State.WARN for f in findings)))
    if broken:
        raise typer.Exit(Code.FAILED)


def _everything(session: Session, local: bool | None) -> Iterator[Finding]:
    from triggers.cli import doctor_server  # noqa: PLC0415 - help comes without what it imports

    yield from doctor_server.findings(session)
    here = urlsplit(session.target.server).hostname in LOOPBACK
    if here if local is None else local:
        from triggers.cli import doctor_local  # noqa: PLC0415 - it imports the product

        yield from doctor_local.findings()


def _show(session: Session, finding: Finding) -> None:
    if session.as_json:
        typer.echo(json_of(finding.document()))
        return
    mark = typer.style(f"{finding.state.value:<5}", fg=MARKS[finding.state])
    typer.echo(f"{mark} {finding.what}: {finding.told}")
    if finding.advice:
        typer.echo(f"      {finding.advice}")


def _verdict(broken: int, doubtful: int) -> str:
    if broken:
        return f"\n{broken} things are broken."
    return f"\n{doubtful} things deserve a look." if doubtful else "\nNothing is wrong."


def register(app: Any) -> None:
    command(app, panel="Installation")(health)
    command(app, panel="Installation")(doctor)
