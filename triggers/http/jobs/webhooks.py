"""Webhooks over HTTP: who is told of events, and what came of it."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from core.errors import ServiceUnavailable
from core.webhooks.desk import WebhookDesk
from core.webhooks.mailroom import AttemptView, DeliveryView, WebhookView
from core.webhooks.rules import DeliveryStatus, Wish
from triggers.http.door.actor import TheActor
from triggers.http.problems import invalid_parameters
from triggers.http.requests import Cursor, Limit, body_of, described, page_links
from triggers.http.services import TheServices

router = APIRouter(prefix="/api/webhooks", tags=["webhooks"])

STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)
LAST = 2**63 - 1


class WebhookOrder(BaseModel):
    """Whom to tell of what. Filters that are left away let everything through."""

    model_config = STRICT

    url: str = Field(max_length=2048)
    """Where events are posted to: https, and a public address."""
    events: list[str] = Field(default=[], max_length=50)
    """Kinds of events, as job.completed or job.*"""
    job_types: list[str] = Field(default=[], max_length=50)
    prefix: str = Field(default="", pattern="^[0-9a-f]{0,64}$")
    """How the ids of the jobs begin."""
    description: str = Field(default="", max_length=500)

    def wish(self) -> Wish:
        return Wish(
            self.url, tuple(self.events), tuple(self.job_types), self.prefix, self.description
        )


class Rotation(BaseModel):
    """How the old secret ends."""

    model_config = STRICT

    overlap_hours: float = Field(default=24.0, ge=0, le=24 * 30)
    """How long the old one still signs beside the new one."""


class WebhookAnswer(WebhookView):
    """A webhook, and where its parts are found."""

    links: dict[str, str]


class WebhookCreated(WebhookAnswer):
    """A new webhook. Keep the secret: it is shown here and never again."""

    secret: str


class WebhookChanged(WebhookAnswer):
    """A webhook after a change."""

    changed: bool
    message: str


class Secret(BaseModel):
    """The new secret. Keep it: it is shown here and never again."""

    secret: str


class WebhookList(BaseModel):
    """A page of webhooks."""

    webhooks: list[WebhookAnswer]
    links: dict[str, str | None]


class DeliveryList(BaseModel):
    """A page of deliveries."""

    deliveries: list[DeliveryView]
    links: dict[str, str | None]


class DeliveryDetail(DeliveryView):
    """A delivery with every attempt that came to an end."""

    history: list[AttemptView]


class DeliveryReplayed(DeliveryView):
    """A delivery that is due again."""

    changed: bool
    message: str


def desk_of(services: TheServices) -> WebhookDesk:
    if services.webhooks is None:
        raise ServiceUnavailable("webhooks are not part of this app")
    return services.webhooks


TheDesk = Annotated[WebhookDesk, Depends(desk_of)]
Id = Annotated[UUID, Path(description="As the webhook's creation gave it.")]
Number = Annotated[int, Path(ge=0, le=LAST)]
Order = Annotated[WebhookOrder, Depends(body_of(WebhookOrder))]


@router.post("", status_code=201, openapi_extra=described(WebhookOrder))
def create_webhook(order: Order, desk: TheDesk, actor: TheActor) -> WebhookCreated:
    """Register a webhook. The answer has its secret, which is never shown again."""
    view, secret = desk.create(order.wish(), by=actor)
    return WebhookCreated(**dict(view), links=_links(view.id), secret=secret)


@router.get("")
def webhooks(
    request: Request, desk: TheDesk, cursor: Cursor = None, limit: Limit = 50
) -> WebhookList:
    """The webhooks there are, oldest first, without their secrets."""
    found = desk.list(_place(cursor), limit + 1)
    page = found[:limit]
    following = _cursor(page[-1]) if len(found) > limit else None
    return WebhookList(
        webhooks=[_answer(view) for view in page], links=page_links(request, following)
    )


@router.get("/{webhook_id}")
def webhook(webhook_id: Id, desk: TheDesk) -> WebhookAnswer:
    """One webhook, and how its target has been answering."""
    return _answer(desk.get(webhook_id))


@router.put("/{webhook_id}", openapi_extra=described(WebhookOrder))
def change_webhook(webhook_id: Id, order: Order, desk: TheDesk, actor: TheActor) -> WebhookAnswer:
    """Replace its address and filters. It keeps its secret and its state."""
    return _answer(desk.change(webhook_id, order.wish(), by=actor))


@router.delete("/{webhook_id}", status_code=204)
def delete_webhook(webhook_id: Id, desk: TheDesk, actor: TheActor) -> None:
    """Remove it, with its secrets and its history."""
    desk.remove(webhook_id, by=actor)


@router.post("/{webhook_id}/pause")
def pause_webhook(webhook_id: Id, desk: TheDesk, actor: TheActor) -> WebhookChanged:
    """Hold its deliveries back. Events go on being written down for it."""
    return _changed(*desk.pause(webhook_id, by=actor))


@router.post("/{webhook_id}/resume")
def resume_webhook(webhook_id: Id, desk: TheDesk, actor: TheActor) -> WebhookChanged:
    """Send what has gathered. Also closes its circuit, and enables it again."""
    return _changed(*desk.resume(webhook_id, by=actor))


@router.post("/{webhook_id}/test", status_code=202)
def test_webhook(webhook_id: Id, desk: TheDesk, actor: TheActor) -> DeliveryView:
    """Send it an event of type webhook.test, the way of all others."""
    return desk.test(webhook_id, by=actor)


@router.post("/{webhook_id}/secret", openapi_extra=described(Rotation, required=False))
def rotate_secret(
    webhook_id: Id,
    rotation: Annotated[Rotation, Depends(body_of(Rotation))],
    desk: TheDesk,
    actor: TheActor,
) -> Secret:
    """A new secret. For a while both sign, so that the receiver can change over in peace."""
    overlap = timedelta(hours=rotation.overlap_hours)
    return Secret(secret=desk.rotate(webhook_id, actor, overlap))


@router.get("/{webhook_id}/deliveries")
def deliveries(
    request: Request,
    webhook_id: Id,
    desk: TheDesk,
    status: DeliveryStatus | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> DeliveryList:
    """What was sent to it and what waits, newest first."""
    found = desk.deliveries(webhook_id, _number(cursor), status, limit + 1)
    page = list(found[:limit])
    following = page[-1].id if len(found) > limit else None
    return DeliveryList(deliveries=page, links=page_links(request, following))


@router.get("/{webhook_id}/deliveries/{delivery}")
def delivery(webhook_id: Id, delivery: Number, desk: TheDesk) -> DeliveryDetail:
    """One delivery, with what the target answered at each attempt."""
    view = desk.delivery(webhook_id, delivery)
    return DeliveryDetail(**dict(view), history=list(desk.attempts(delivery)))


@router.post("/{webhook_id}/deliveries/{delivery}/replay", status_code=202)
def replay_delivery(
    webhook_id: Id, delivery: Number, desk: TheDesk, actor: TheActor
) -> DeliveryReplayed:
    """Send it again, under the same webhook-id, with all its attempts before it."""
    view, changed = desk.replay(webhook_id, delivery, by=actor)
    message = "It is due again." if changed else "It is being sent right now."
    return DeliveryReplayed(**dict(view), changed=changed, message=message)


def _answer(view: WebhookView) -> WebhookAnswer:
    return WebhookAnswer(**dict(view), links=_links(view.id))


def _changed(view: WebhookView, changed: bool) -> WebhookChanged:
    message = f"The webhook is {view.state}." if changed else f"It was {view.state} already."
    return WebhookChanged(**dict(view), links=_links(view.id), changed=changed, message=message)


def _links(webhook: UUID) -> dict[str, str]:
    here = f"/api/webhooks/{webhook}"
    return {"self": here, "deliveries": f"{here}/deliveries"}


def _cursor(view: WebhookView) -> str:
    place = json.dumps([view.created_at.isoformat(), str(view.id)])
    return urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _place(cursor: str | None) -> tuple[datetime, UUID] | None:
    if cursor is None:
        return None
    try:
        at, name = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return datetime.fromisoformat(at), UUID(name)
    except (ValueError, TypeError, AttributeError):
        raise _no_cursor() from None


def _number(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdecimal()) or int(cursor[:20]) > LAST:
        raise _no_cursor()
    return int(cursor)


def _no_cursor() -> Exception:
    message = "This is no cursor of ours; pass `next` of the page before."
    return invalid_parameters([{"loc": ("query", "cursor"), "msg": message, "type": "value_error"}])
