"""What the shell offers: asked of the server with little patience, and nothing when it does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import typer

from triggers.cli.command import session_of
from triggers.cli.session import connect
from triggers.cli.tables import age

if TYPE_CHECKING:
    from coremachine_client import Client

PATIENCE = 2.0
"""Seconds: a person who has pressed Tab waits no longer, and a server that wakes up may need as many."""
OFFERED = 20


def quick_client(ctx: typer.Context) -> Client:
    return connect(session_of(ctx).target, timeout=PATIENCE, retries=0)


def jobs(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The newest jobs whose ids begin so."""
    return list(_offered(ctx, incomplete))


def _offered(ctx: typer.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    from coremachine_client import ClientError  # noqa: PLC0415 - importing it takes time

    try:
        with quick_client(ctx) as client:
            for job in islice(client.jobs(prefix=incomplete or None, page_size=OFFERED), OFFERED):
                yield job.job_id[: max(12, len(incomplete))], _told(job)
    except ClientError:
        return


def _told(job: Any) -> str:
    return f"{job.job_type}, {job.status}, {age(job.created_at)} ago"
