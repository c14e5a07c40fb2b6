"""Identity over HTTP: who am I, API keys, and who changed what."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from core.audit import AuditFilter, AuditLine
from core.identity import Actor, Kind, Role
from core.keys import KeyView, NewKey, Secret
from triggers.http.door.actor import TheActor
from triggers.http.requests import Limit, body_of, described, page_links
from triggers.http.services import TheServices
from triggers.listening import Mode

router = APIRouter(prefix="/api", tags=["identity"])

FOR_EVER = 3650.0
ID = "^[0-9a-f]{12}$"
FOLLOWS = "The `next` of the page before."
NAME = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"


class Whoami(BaseModel):
    """The caller, as the installation knows it."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    actor: str
    """As it is written down beside what it does."""
    kind: Kind
    id: str
    label: str
    role: Role | None
    job_types: list[str] | None
    """The only job types it may submit; null: all."""
    identity: Mode
    """Whom this installation answers."""


class NewKeyBody(BaseModel):
    """An API key to make."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: str = Field(min_length=1, max_length=100, pattern=NAME, strict=True)
    """Who or what will use it."""
    role: Role
    job_types: Annotated[list[str], Field(min_length=1, max_length=50)] | None = None
    """The only job types it may submit; it can change nothing else but storage."""
    days: Annotated[float, Field(gt=0, le=FOR_EVER, strict=True)] | None = 90.0
    """How long it is good; null: until it is revoked."""


class MadeKey(KeyView):
    """A new key. Nobody will ever see it again."""

    key: str
    """Send it as X-API-Key, or as a bearer. Keep it secret."""


class RevokedKey(KeyView):
    """A key that is good no more."""

    changed: bool
    """False when it had been revoked before."""


class KeyList(BaseModel):
    """A page of keys."""

    keys: list[KeyView]
    next: str | None
    links: dict[str, str | None]


class AuditList(BaseModel):
    """A page of changes."""

    notes: list[AuditLine]
    next: str | None
    links: dict[str, str | None]


async def caller_of(request: Request) -> Actor:
    return cast(Actor, request.state.caller)


@router.get("/whoami")
def whoami(caller: Annotated[Actor, Depends(caller_of)], services: TheServices) -> Whoami:
    """Who the caller is, and what it may do."""
    return Whoami(
        actor=caller.name,
        kind=caller.kind,
        id=caller.id,
        label=caller.label,
        role=caller.role,
        job_types=None if caller.job_types is None else sorted(caller.job_types),
        identity=services.access.mode,
    )


@router.get("/keys")
def keys(
    request: Request,
    services: TheServices,
    cursor: Annotated[str | None, Query(pattern=ID, description=FOLLOWS)] = None,
    limit: Limit = 50,
) -> KeyList:
    """The API keys there are, newest first, also those that are good no more. Never their secrets."""
    found = services.keys.keys.list(cursor, limit + 1)
    following = found[limit - 1].id if len(found) > limit else None
    return KeyList(keys=found[:limit], next=following, links=page_links(request, following))


@router.post("/keys", status_code=201, openapi_extra=described(NewKeyBody))
def create_key(
    wanted: Annotated[NewKeyBody, Depends(body_of(NewKeyBody))],
    services: TheServices,
    actor: TheActor,
    response: Response,
) -> MadeKey:
    """Make an API key. It is shown in this answer and never again."""
    response.headers["Cache-Control"] = "no-store"
    secret = Secret.make()
    types = wanted.job_types
    if types is not None:
        registry = services.machine.registry
        types = sorted({registry[name].job_type for name in types})
    new = NewKey(
        id=secret.id,
        digest=secret.digest,
        name=wanted.name.strip(),
        role=wanted.role,
        job_types=None if types is None else tuple(types),
        days=wanted.days,
    )
    view = services.keys.keys.add(new, actor)
    return MadeKey(**dict(view), key=str(secret))


@router.delete("/keys/{key_id}")
def revoke_key(
    key_id: Annotated[str, Path(pattern=ID, description="12 hex digits, the middle of the key.")],
    services: TheServices,
    actor: TheActor,
) -> RevokedKey:
    """Revoke an API key: here at once, in other processes within seconds."""
    view, changed = services.keys.revoke(key_id, actor)
    return RevokedKey(**dict(view), changed=changed)


@router.get("/audit")
def audit(
    request: Request,
    services: TheServices,
    actor: Annotated[
        str | None,
        Query(
            max_length=300,
            pattern=NAME,
            description="Its whole name, or the part before the space.",
        ),
    ] = None,
    action: Annotated[str | None, Query(pattern="^[a-z][a-z_]{0,62}$")] = None,
    created_after: AwareDatetime | None = None,
    created_before: AwareDatetime | None = None,
    cursor: Annotated[str | None, Query(pattern="^[0-9]{1,18}$", description=FOLLOWS)] = None,
    limit: Limit = 50,
) -> AuditList:
    """Who changed what, newest first. What was done to a job stands in the job's events."""
    before = None if cursor is None else int(cursor)
    wanted = AuditFilter(actor, action, created_after, created_before)
    found = services.audit.notes(wanted, before, limit + 1)
    following = str(found[limit - 1].id) if len(found) > limit else None
    return AuditList(notes=found[:limit], next=following, links=page_links(request, following))
