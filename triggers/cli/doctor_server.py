"""What the doctor asks of the server, and of how this user calls it."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from coremachine_client import (
    VERSION,
    ClientError,
    NotFound,
    Refused,
    Unauthorised,
    UnexpectedAnswer,
)
from triggers.cli import config
from triggers.cli.findings import Finding, fail, ok, skew, warn
from triggers.cli.session import Session

API = "1"
"""The version of the API that this client speaks."""
ADVICE = {
    "database": "Is PostgreSQL up, and DATABASE_URL right? 'coremachine doctor --local' on the server tells more.",
    "blobs": "Is storage up, and AZURE_STORAGE_CONNECTION_STRING right on the server?",
    "queue": "The database counts what is due; look at it first.",
    "workers": "Start one: python -m triggers.worker --queues jobs,tasks-light,tasks-heavy",
    "scratch": "Make room where the server keeps temporary files, or set CM_SCRATCH.",
}


def findings(session: Session) -> Iterator[Finding]:
    yield from _configuration(session)
    try:
        yield from _reached(session)
    except UnexpectedAnswer as error:
        yield fail("server", str(error), "Does the address belong to CoreMachine?")
        return
    except ClientError as error:
        yield fail("server", str(error), _reach(session.target.server))
        return
    yield from _identity(session)
    yield from _components(session)


def _configuration(session: Session) -> Iterator[Finding]:
    target = session.target
    yield ok("address", f"{target.server} ({target.said['server']})")
    where = config.file()
    if where.exists() and stat.S_IMODE(where.stat().st_mode) & 0o077:
        yield warn("config", f"others can read {where}", f"chmod 600 {where}")
    address = urlsplit(target.server)
    if target.api_key and address.scheme == "http" and address.hostname != "127.0.0.1":
        yield warn("key", "it travels without encryption", "Use an https:// address.")


def _reached(session: Session) -> Iterator[Finding]:
    transport = session.client.transport
    before = datetime.now(UTC)
    answer = transport.send("GET", "/api/livez")
    took = (datetime.now(UTC) - before).total_seconds()
    alive = transport.json(answer)
    yield ok("server", f"answers in {took * 1000:.0f} ms")
    for module, why in alive.get("broken_job_modules", {}).items():
        yield fail("jobs", f"{module} cannot be used: {why}", "Mend that file, and restart.")
    if told := answer.headers.get("date"):
        # The header has whole seconds: it is between now and a second ago.
        moment = parsedate_to_datetime(told)
        yield skew("server's clock", (moment - before).total_seconds() + 0.5)
    version = transport.json(transport.send("GET", "/api/openapi.json"))["info"]["version"]
    if version == API:
        yield ok("versions", f"API {version}, client {VERSION}")
    else:
        yield warn(
            "versions",
            f"the server speaks API {version}, this client API {API}",
            "Update the older one.",
        )


def _reach(server: str) -> str:
    if server == config.LOCAL:
        return "Start a local system with 'make run', or name your server: coremachine config set server URL"
    return "Is the address right, and the server up? A proxy or firewall may stand in between."


def _identity(session: Session) -> Iterator[Finding]:
    try:
        caller = session.client.whoami()
    except NotFound:
        yield ok("identity", "this server does not ask who calls")
    except Unauthorised as error:
        yield fail("identity", str(error), "coremachine config set api-key")
    except Refused as error:
        yield warn("identity", str(error))
    else:
        yield ok("identity", f"{caller.actor}, {caller.role or 'without a role'}")


def _components(session: Session) -> Iterator[Finding]:
    try:
        health = session.client.health()
        alerts = session.client.deep_status().alerts if health.status != "unhealthy" else []
    except ClientError as error:
        yield fail("health", str(error))
        return
    for name, component in health.components.items():
        advice = ADVICE.get(name, "")
        match component.status:
            case "healthy":
                yield ok(name, component.detail)
            case "unhealthy":
                yield fail(name, component.detail, advice)
            case _:
                yield warn(name, component.detail, advice)
    for alert in alerts:
        yield warn("alert", f"{alert.message} ({alert.code})", "docs/howto/operate-stuck-jobs.md")
