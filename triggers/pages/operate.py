"""Operating: queues and dead letters, workers, schedules, webhooks, database, settings, keys, audit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter
from fastapi.responses import Response

from core.audit import AuditFilter
from core.errors import ServiceUnavailable
from core.schedules.desk import Schedules
from core.upkeep.housekeeper import Housekeeper
from core.upkeep.letters import Letters
from core.webhooks.desk import WebhookDesk
from core.webhooks.mailroom import WebhookView
from triggers.pages.page import Page, ThePage

router = APIRouter(prefix="/operate", include_in_schema=False)

ROWS = 50
MOST = 200
TABS = {
    "/operate": "Queues",
    "/operate/workers": "Workers",
    "/operate/schedules": "Schedules",
    "/operate/webhooks": "Webhooks",
    "/operate/database": "Database",
    "/operate/settings": "Settings",
    "/operate/keys": "Keys",
    "/operate/audit": "Audit",
}


def _show(page: Page, template: str, **values: object) -> Response:
    tabs = {address: name for address, name in TABS.items() if page.may("GET", address)}
    return page.show(f"operate/{template}", tabs=tabs, **values)


@router.get("")
def queues(page: ThePage, cursor: int | None = None) -> Response:
    """What waits in each queue, and the messages that were set aside."""
    found = Letters(_housekeeper(page).steward).page(cursor, ROWS + 1)
    following = found[ROWS - 1].id if len(found) > ROWS else None
    return _show(
        page,
        "queues.html",
        queues=page.services.insights.queues(),
        load=page.services.insights.deep().load,
        letters=found[:ROWS],
        following=f"/operate?cursor={following}" if following else None,
    )


@router.get("/workers")
def workers(page: ThePage) -> Response:
    """The workers that say that they live."""
    return _show(page, "workers.html", workers=page.services.insights.workers())


@router.get("/schedules")
def schedules(page: ThePage, cursor: str | None = None) -> Response:
    """What is submitted by the clock."""
    found = _schedules(page).page(cursor, ROWS)
    following = f"/operate/schedules?{urlencode({'cursor': found.next})}" if found.next else None
    return _show(page, "schedules.html", schedules=found.schedules, following=following)


@router.get("/webhooks")
def webhooks(page: ThePage) -> Response:
    """Who is told of what."""
    desk = _desk(page)
    hooks: Sequence[WebhookView] = () if desk is None else desk.list(None, MOST)
    return _show(page, "webhooks.html", hooks=[(hook, host_of(hook.url)) for hook in hooks])


@router.get("/database")
def database(page: ThePage) -> Response:
    """Who is connected, what runs, how large the tables are."""
    steward = _housekeeper(page).steward
    return _show(
        page,
        "database.html",
        activity=steward.activity(),
        tables=steward.tables(),
        missing=[each.name for each in steward.migrations() if each.applied_at is None],
    )


@router.get("/settings")
def settings(page: ThePage) -> Response:
    """What this process was told. Secrets show as set or not set."""
    return _show(page, "settings.html", settings=page.services.settings)


@router.get("/keys")
def keys(page: ThePage, cursor: str | None = None) -> Response:
    """The API keys there are."""
    found = page.services.keys.keys.list(cursor, ROWS + 1)
    following = f"/operate/keys?cursor={found[ROWS - 1].id}" if len(found) > ROWS else None
    return _show(page, "keys.html", keys=found[:ROWS], following=following)


@router.get("/audit")
def audit(page: ThePage, cursor: int | None = None) -> Response:
    """Who changed what."""
    nothing: datetime | None = None
    found = page.services.audit.notes(AuditFilter(None, None, nothing, nothing), cursor, ROWS + 1)
    following = f"/operate/audit?cursor={found[ROWS - 1].id}" if len(found) > ROWS else None
    return _show(page, "audit.html", notes=found[:ROWS], following=following)


def host_of(url: str) -> str:
    """The rest of an address may be a secret."""
    return urlsplit(url).hostname or ""


def _housekeeper(page: Page) -> Housekeeper:
    if page.services.housekeeper is None:
        raise ServiceUnavailable("This host does no housekeeping.")
    return page.services.housekeeper


def _schedules(page: Page) -> Schedules:
    if page.services.schedules is None:
        raise ServiceUnavailable("This host has no schedules.")
    return page.services.schedules


def _desk(page: Page) -> WebhookDesk | None:
    return page.services.webhooks
