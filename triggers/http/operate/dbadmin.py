"""The database and what piles up in it, for operators."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from core.errors import Conflict, CoreMachineError
from core.upkeep.keeping import ActivityView, MigrationView, Swept, TableView
from triggers.http.door.actor import about
from triggers.http.services import TheHousekeeper, TheServices, TheSteward

router = APIRouter(prefix="/api/dbadmin", tags=["operate"])

SLOW = 5.0
"""Seconds after which a statement counts as slow."""


class ConfirmationNeeded(CoreMachineError):
    """This removes things for good, so it has to be confirmed."""

    code, status = "confirmation_needed", 400


class OnlyInDevelopment(Conflict):
    """This is possible in development only."""

    code = "only_in_development"


class Kind(StrEnum):
    """Which connections are shown."""

    CONNECTIONS = "connections"
    RUNNING = "running"
    SLOW = "slow"
    LOCKS = "locks"


class Action(StrEnum):
    """What is done to the database."""

    ENSURE = "ensure"
    CLEANUP = "cleanup"
    REBUILD = "rebuild"


class Activity(BaseModel):
    """Connections to the database."""

    activity: list[ActivityView]


class Tables(BaseModel):
    """The tables, largest first."""

    tables: list[TableView]


class Migrations(BaseModel):
    """Every migration of this code; those that are missing have no `applied_at`."""

    migrations: list[MigrationView]
    missing: list[str]


class Maintained(BaseModel):
    """What was done."""

    action: Action
    applied: list[str] = []
    """Migrations that were applied."""
    kept: list[str] = []
    """Tables whose rows a rebuild has left alone: API keys, and who changed what."""
    swept: Swept | None = None
    """What was removed, or would be."""


@router.get("/activity")
def db_activity(steward: TheSteward, type: Annotated[Kind, Query()] = Kind.CONNECTIONS) -> Activity:
    """Who is connected, what runs, what is slow, who waits for whom."""
    return Activity(activity=[each for each in steward.activity() if _fits(each, type)])


def _fits(each: ActivityView, kind: Kind) -> bool:
    match kind:
        case Kind.CONNECTIONS:
            return True
        case Kind.RUNNING:
            return each.state == "active"
        case Kind.SLOW:
            return each.state == "active" and each.seconds > SLOW
        case Kind.LOCKS:
            return bool(each.blocked_by)


@router.get("/tables")
def db_tables(steward: TheSteward) -> Tables:
    """How large the tables are, and when they were cleaned last."""
    return Tables(tables=steward.tables())


@router.get("/migrations")
def db_migrations(steward: TheSteward) -> Migrations:
    """Which migrations are applied."""
    found = steward.migrations()
    return Migrations(
        migrations=found, missing=[each.name for each in found if each.applied_at is None]
    )


@router.post("/maintenance")
def db_maintenance(
    request: Request,
    services: TheServices,
    housekeeper: TheHousekeeper,
    action: Annotated[Action, Query(description="What to do.")],
    confirm: Annotated[
        Literal["yes"] | None, Query(description="Needed for what cannot be undone.")
    ] = None,
    dry_run: Annotated[bool, Query(description="With cleanup: only tell.")] = False,
) -> Maintained:
    """Apply migrations, remove what is old, or (in development) drop all but keys and audit, and begin anew."""
    about(request, None if dry_run and action is Action.CLEANUP else action)
    match action:
        case Action.ENSURE:
            return Maintained(action=action, applied=housekeeper.steward.ensure())
        case Action.CLEANUP:
            if dry_run:
                return Maintained(action=action, swept=housekeeper.preview())
            _confirmed(confirm, "It removes old records and temporary blobs")
            return Maintained(action=action, swept=housekeeper.round())
        case Action.REBUILD:
            if not services.development:
                raise OnlyInDevelopment(
                    "A rebuild drops every job. It works where CM_DEVELOPMENT is set, and nowhere else."
                )
            _confirmed(confirm, "It drops every job, schedule, template, batch and webhook")
            applied, kept = housekeeper.steward.rebuild()
            return Maintained(action=action, applied=applied, kept=kept)


def _confirmed(confirm: str | None, what: str) -> None:
    if confirm != "yes":
        raise ConfirmationNeeded(f"{what}; pass confirm=yes, or look first with dry_run=true.")
