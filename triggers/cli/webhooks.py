"""`coremachine webhooks`: addresses that are told what happens."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Any

import typer

from triggers.cli.command import command
from triggers.cli.session import Session
from triggers.cli.tables import Column, facts

app = typer.Typer(no_args_is_help=True)
HookId = Annotated[
    str, typer.Argument(metavar="WEBHOOK", help="As `coremachine webhooks list` tells it.")
]
Events = Annotated[
    list[str] | None,
    typer.Option(
        "--event", help="Only these events, as job.failed or job.*; may be given several times."
    ),
]
WEBHOOKS = (
    Column("webhook", lambda each: each.id),
    Column("address", lambda each: each.url, gives=True),
    Column("events", lambda each: ", ".join(each.events) or "all", gives=True),
    Column("state", lambda each: each.state),
)
DELIVERIES = (
    Column("delivery", lambda each: each.id),
    Column("event", lambda each: each.type, gives=True),
    Column("status", lambda each: each.status),
    Column("attempts", lambda each: each.attempts, right=True),
    Column("age", lambda each: each.happened, right=True),
    Column("answered", lambda each: each.status_code or each.error, gives=True),
)


@app.callback()
def webhooks() -> None:
    """Addresses that are told what happens to jobs."""


@command(app, "list")
def list_(session: Session) -> None:
    """List the webhooks."""
    session.listing(session.client.webhooks, WEBHOOKS, "There are no webhooks.")


@command(app)
def show(session: Session, webhook: HookId) -> None:
    """Show a webhook."""
    _show(session, session.client.webhooks.get(webhook))


@command(app)
def create(
    session: Session,
    url: Annotated[str, typer.Argument(metavar="URL", help="What is told, as https://….")],
    event: Events = None,
) -> None:
    """Make a webhook. Its secret is shown now, and never again.

    \b
    coremachine webhooks create https://host/hook --event job.failed
    """
    _show(session, session.client.webhooks.create(url, event or ()))


@command(app)
def update(
    session: Session,
    webhook: HookId,
    url: Annotated[str, typer.Argument(metavar="URL", help="What is told.")],
    event: Events = None,
) -> None:
    """Replace what a webhook says."""
    _show(session, session.client.webhooks.update(webhook, url, event or ()))


@command(app)
def pause(session: Session, webhook: HookId) -> None:
    """Send it nothing until it is resumed."""
    session.answer(session.client.webhooks.pause(webhook), f"{webhook} is paused.")


@command(app)
def resume(session: Session, webhook: HookId) -> None:
    """Go on with a paused webhook."""
    session.answer(session.client.webhooks.resume(webhook), f"{webhook} goes on.")


@command(app)
def test(session: Session, webhook: HookId) -> None:
    """Send it a message now."""
    session.answer(session.client.webhooks.test(webhook), "A message is on its way.")


@command(app)
def deliveries(
    session: Session,
    webhook: HookId,
    delivery: Annotated[
        int | None,
        typer.Argument(metavar="[DELIVERY]", help="One message: every attempt to send it."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")] = 20,
) -> None:
    """List the messages that were sent, newest first, and how it went; or show one."""
    if delivery is not None:
        return _show(session, session.client.webhooks.delivery(webhook, delivery))
    found = islice(session.client.webhooks.deliveries(webhook), limit)
    session.listing(found, DELIVERIES, "Nothing was sent yet.")


@command(app)
def replay(
    session: Session,
    webhook: HookId,
    delivery: Annotated[
        int, typer.Argument(metavar="DELIVERY", help="As `coremachine webhooks deliveries` tells.")
    ],
) -> None:
    """Send a message again."""
    session.answer(session.client.webhooks.replay(webhook, delivery), "It is sent again.")


@command(app)
def secret(
    session: Session,
    webhook: HookId,
    overlap: Annotated[
        float, typer.Option(min=0, help="Hours for which the old one still signs beside it.")
    ] = 24.0,
) -> None:
    """Make a new secret. It is shown now, and never again."""
    told = session.client.webhooks.rotate_secret(webhook, overlap_hours=overlap)
    session.answer({"secret": told}, told)


@command(app)
def delete(session: Session, webhook: HookId) -> None:
    """Delete a webhook."""
    session.client.webhooks.delete(webhook)
    session.answer({"id": webhook, "deleted": True}, f"{webhook} is deleted.")


def _show(session: Session, webhook: Any) -> None:
    told = list(webhook.model_dump(mode="json", exclude={"links"}).items())
    session.answer(webhook, lambda: typer.echo("\n".join(facts(told))))
