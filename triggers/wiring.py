"""The composition root: the only place that knows which store, queue and blobs are real."""

from __future__ import annotations

import logging
import os
import socket
import threading
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from core.blobs import Blobs
from core.crashpoints import arm
from core.insights import Insights
from core.machine import CoreMachine
from core.ports import Limits, Queue, Worker
from core.queues import QueueName
from core.reconciler import Reconciler
from core.registry import Registry, discover
from core.worker import TaskRunner, WorkerProcess
from infrastructure.blobs import AzureBlobs
from infrastructure.catalog import PgstacCatalog, catalog_pool
from infrastructure.database import Database
from infrastructure.migrations import migrate
from infrastructure.outbox import PostgresOutbox
from infrastructure.postgres_queue import Bell, PostgresQueue
from infrastructure.reading import PostgresReader
from infrastructure.settings import Settings
from infrastructure.store import PostgresStore
from services.raster.models import Tier
from services.raster.options import Lossless, RasterOptions

if TYPE_CHECKING:
    from infrastructure.service_bus import ServiceBus

log = logging.getLogger(__name__)


@cache
def settings() -> Settings:
    return Settings()


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a process needs, built once and shared by its threads."""

    settings: Settings
    database: Database
    catalog_database: Database
    registry: Registry
    machine: CoreMachine
    queue: Queue
    reconciler: Reconciler
    bell: Bell

    def close(self) -> None:
        self.queue.close()
        self.bell.close()
        self.catalog_database.close()
        self.database.close()


def build(given: Settings, name: str = "coremachine") -> Services:
    """Wire the parts that the settings name."""
    arm_crashes(given)
    dsn = given.database_url.get_secret_value()
    database = Database(dsn, size=given.pool_size, name=name).open()
    catalog_database = catalog_pool(dsn, size=given.catalog_pool_size, name=name).open()
    store = PostgresStore(database, outbox=given.service_bus is not None)
    registry = _registry(given)
    catalog = PgstacCatalog(catalog_database)
    machine = CoreMachine(registry, store, blobs(given), catalog, options(given))
    bell = Bell(database)
    queue = _queue(given, store, database, bell)
    limits = Limits(dead_after=given.dead_after_seconds, lost_after=given.lost_after_seconds)
    return Services(
        given,
        database,
        catalog_database,
        registry,
        machine,
        queue,
        Reconciler(machine, queue, limits),
        bell,
    )


def _registry(given: Settings) -> Registry:
    """Every job of the packages that the settings name."""
    found = [discover(import_module(name.strip())) for name in given.jobs.split(",")]
    jobs = {name: job for each in found for name, job in each.jobs.items()}
    return Registry(jobs, {name: why for each in found for name, why in each.broken.items()})


def _queue(given: Settings, store: PostgresStore, database: Database, bell: Bell) -> Queue:
    if given.service_bus is None:
        return PostgresQueue(store, bell)
    from infrastructure.service_bus_queue import ServiceBusQueue  # noqa: PLC0415 - the SDK is slow to import

    return ServiceBusQueue(store, PostgresOutbox(database), service_bus(), given.queue_names())


def blobs(given: Settings) -> Blobs:
    return AzureBlobs(given.storage.get_secret_value(), scratch=given.scratch)


def options(given: Settings) -> tuple[object, ...]:
    """What services are told of the settings, one value of each of their own kinds."""
    raster = RasterOptions(
        cache_mb=given.raster_cache_mb,
        tile_above_gb=given.tile_above_gb,
        tile_size=given.tile_size,
        compression=Lossless(given.analysis_compression),
        prices={
            Tier.VISUALIZATION: given.price_visualization,
            Tier.ANALYSIS: given.price_analysis,
            Tier.ARCHIVE: given.price_archive,
        },
        currency=given.currency,
        scratch=given.scratch,
    )
    return (raster,)


def arm_crashes(given: Settings) -> None:
    if given.crash:
        arm(given.crash)


def prepare(given: Settings) -> list[str]:
    """Bring the database up to date; safe while others run."""
    return migrate(given.database_url.get_secret_value())


def worker_process(services: Services, role: str, slots: dict[QueueName, int]) -> WorkerProcess:
    given = services.settings
    worker = Worker(
        uuid4(),
        socket.gethostname(),
        os.getpid(),
        role,
        tuple(q for q, count in slots.items() if count),
    )
    return WorkerProcess(
        services.machine,
        services.queue,
        worker,
        slots,
        beat=given.heartbeat_seconds,
        largest=given.batch,
    )


_lock = threading.Lock()
_shared: list[Services] = []


def shared() -> Services:
    """The services of this process, built when first needed: a queue-only instance never makes a web app."""
    with _lock:
        if not _shared:
            prepare(settings())
            _shared.append(build(settings()))
        return _shared[0]


# What function_app.py calls


def uses_service_bus() -> bool:
    return settings().service_bus is not None


def service_bus() -> ServiceBus:
    from infrastructure.service_bus import ServiceBus  # noqa: PLC0415 - the SDK is slow to import

    given = settings().service_bus
    assert given is not None, "asked for Service Bus without SERVICEBUS_CONNECTION_STRING"
    return ServiceBus(given.get_secret_value())


@cache
def _host() -> TaskRunner:
    """The runner of a Functions instance: its session lives as long as its heartbeat does."""
    services = shared()
    process = worker_process(services, "functions", {})
    process.start()
    return process.runner


def run_message(queue: QueueName, body: bytes, delivery_count: int) -> None:
    """Run the task that a message names. It raises only when the host should deliver the message again."""
    services = shared()
    wakeups = services.queue.read(queue, [(f"delivery {delivery_count}", body)])
    runner = _host()
    claims = services.machine.store.claim_named(wakeups, runner.executor.session) if wakeups else []
    if claims:
        runner.run(claims)
    services.queue.relay()


def tick() -> None:
    """One round of repair, and what was promised is sent."""
    shared().reconciler.round()


def web_app() -> Any:
    """The ASGI app, imported only when the first request comes."""
    from infrastructure.stac_connections import StacConnections  # noqa: PLC0415 - nor for this
    from services.grids.models import GridLimits  # noqa: PLC0415 - nor for this
    from services.storage.uploads import Rules  # noqa: PLC0415 - a queue-only instance never pays for it
    from triggers.http.app import create_app  # noqa: PLC0415
    from triggers.http.crowd import CrowdLimits  # noqa: PLC0415
    from triggers.http.health import scratch_disk  # noqa: PLC0415
    from triggers.http.services import Services as WebServices  # noqa: PLC0415

    services = shared()
    given, machine = services.settings, services.machine
    reader = PostgresReader(services.database)
    return create_app(
        WebServices(
            machine=machine,
            insights=Insights(
                reader, services.registry, machine.blobs, dead_after=given.dead_after_seconds
            ),
            blobs=machine.blobs,
            catalog=machine.catalog,
            stac=StacConnections(
                given.database_url.get_secret_value(), size=given.catalog_pool_size
            ),
            checks={"scratch": scratch_disk(given.scratch)},
            max_body_bytes=given.max_body_bytes,
            crowd=CrowdLimits(
                given.max_requests,
                given.max_waiting_requests,
                given.request_patience_seconds,
                given.max_streams,
            ),
            uploads=Rules(into=given.upload_targets(), largest=given.max_upload_bytes),
            link_lasts=timedelta(minutes=given.link_minutes),
            grid_limits=GridLimits(cells=given.grid_cells),
            static_folder=given.static_folder,
            tiles=given.tiles,
            tile_rasters=given.tile_rasters,
        )
    )


class WebServer:
    """The web app under uvicorn, in a thread, so that signals stay with whoever started it."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.run, name="web", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(5)


def web_server(host: str, port: int) -> WebServer:
    import uvicorn  # noqa: PLC0415 - a worker without a port never pays for it

    config = uvicorn.Config(
        web_app(),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    return WebServer(uvicorn.Server(config))
