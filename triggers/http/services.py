"""What the web app is made of, and how endpoints ask for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from fastapi import Depends, Request

from core.audit import Audit
from core.batches import Batches
from core.blobs import Blobs
from core.catalog import Catalog
from core.errors import ServiceUnavailable
from core.insights.questions import Insights
from core.keys import KeyRing
from core.machine import CoreMachine
from core.memory.keys import MemoryAudit, MemoryKeys
from core.schedules.desk import Schedules
from core.templates import Templates
from core.upkeep.housekeeper import Housekeeper
from core.upkeep.keeping import Steward
from core.watching.task_logs import TaskLogs
from core.webhooks.desk import WebhookDesk
from services.grids.models import GridLimits
from services.storage.uploads import Rules
from services.weather.tilecache.inventory import Inventory
from triggers.http.door.access import Access
from triggers.http.door.crowd import CrowdLimits

if TYPE_CHECKING:
    from services.tiles.opener import Opener


@dataclass(frozen=True, slots=True)
class SettingLine:
    """A setting as it may be shown."""

    name: str
    value: str
    is_default: bool


Probe = Callable[[], str]
"""Says how a component is doing, or raises."""


class Connections(Protocol):
    """Where the STAC API gets its connections to the database."""

    def connection(self) -> AbstractAsyncContextManager[Any]: ...
    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Services:
    """Everything the web app needs; the composition root fills it in."""

    machine: CoreMachine
    insights: Insights
    blobs: Blobs
    catalog: Catalog
    access: Access = field(default_factory=Access)
    """Who may call; only programs of this machine, unless told otherwise."""
    keys: KeyRing = field(default_factory=lambda: KeyRing(MemoryKeys()))
    audit: Audit = field(default_factory=MemoryAudit)
    stac: Connections | None = None
    """Without them the STAC API answers that it is not available."""
    webhooks: WebhookDesk | None = None
    """Without it there are none."""
    schedules: Schedules | None = None
    templates: Templates | None = None
    batches: Batches | None = None
    housekeeper: Housekeeper | None = None
    """Without one there is no housekeeping over HTTP."""
    development: bool = False
    """Whether everything may be dropped."""
    checks: Mapping[str, Probe] = field(default_factory=dict[str, Probe])
    """Further components whose health is shown; none of them is vital."""
    max_body_bytes: int = 1024 * 1024
    crowd: CrowdLimits = field(default_factory=CrowdLimits)
    """How many requests are served at once."""
    uploads: Rules = field(default_factory=Rules)
    """What may be uploaded."""
    link_lasts: timedelta = timedelta(hours=1)
    """How long a link to a blob is good."""
    grid_limits: GridLimits = field(default_factory=GridLimits)
    """What one question about a cube may cost."""
    static_folder: Path = Path("node_modules")
    """Where the packages that the documentation pages need were installed."""
    health_deadline: float = 3.0
    """Seconds a component may take to say how it is doing."""
    poll_every: float = 0.5
    """Seconds between two looks of an event stream."""
    tiles: bool = True
    """Whether rasters are shown: what that takes is slow to import."""
    forecasts: Callable[[], Inventory] | None = None
    """What is kept of forecasts; looked up in `blobs` unless told otherwise."""
    tile_rasters: int = 24
    """How many rasters one picture may open."""
    task_logs: TaskLogs | None = None
    """What tasks wrote to their logs."""
    exposition: Callable[[str], tuple[bytes, str]] | None = None
    """The metrics, in a format that an Accept header names, and that format's content type."""
    settings: Sequence[SettingLine] = ()
    """What this process was told, without secrets."""
    rasters: Opener | None = None
    """How rasters are opened; by signed links to `blobs` unless told otherwise."""


async def services_of(request: Request) -> Services:
    return request.app.state.services


async def machine_of(request: Request) -> CoreMachine:
    return request.app.state.services.machine


async def insights_of(request: Request) -> Insights:
    return request.app.state.services.insights


async def schedules_of(request: Request) -> Schedules:
    return request.app.state.services.schedules


async def templates_of(request: Request) -> Templates:
    return request.app.state.services.templates


async def batches_of(request: Request) -> Batches:
    return request.app.state.services.batches


async def housekeeper_of(request: Request) -> Housekeeper:
    housekeeper = request.app.state.services.housekeeper
    if housekeeper is None:
        raise ServiceUnavailable("This host does no housekeeping.")
    return housekeeper


async def steward_of(request: Request) -> Steward:
    return (await housekeeper_of(request)).steward


TheServices = Annotated[Services, Depends(services_of)]
TheMachine = Annotated[CoreMachine, Depends(machine_of)]
TheInsights = Annotated[Insights, Depends(insights_of)]
TheSchedules = Annotated[Schedules, Depends(schedules_of)]
TheTemplates = Annotated[Templates, Depends(templates_of)]
TheBatches = Annotated[Batches, Depends(batches_of)]
TheHousekeeper = Annotated[Housekeeper, Depends(housekeeper_of)]
TheSteward = Annotated[Steward, Depends(steward_of)]
