"""The composition root: the only place that knows which store, queue and blobs are real."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from core.batches import Batches
from core.blobs import Blobs
from core.crashpoints import arm
from core.errors import CoreMachineError
from core.execution import Apart
from core.executor import Executor
from core.imports import one_at_a_time
from core.internet import Internet
from core.keys import KeyRing
from core.machine import CoreMachine
from core.ports import Limits, Queue, Worker
from core.queues import QueueName
from core.registry import Registry, discover
from core.schedules.desk import Schedules
from core.templates import Templates
from core.upkeep.housekeeper import Housekeeper
from core.upkeep.reconciler import Reconciler
from core.upkeep.removal import Removal
from core.watching.watch import Watch
from core.webhooks.courier import Courier, Pump
from core.webhooks.desk import WebhookDesk
from core.worker import TaskRunner, WorkerProcess
from infrastructure.audit import PostgresAudit
from infrastructure.batches import PostgresBatchBook
from infrastructure.blobs.azure import AzureBlobs
from infrastructure.calling import GuardedCaller
from infrastructure.catalog import PgstacCatalog, catalog_pool
from infrastructure.database import Database
from infrastructure.doctor import DatabaseFacts, look_at_database, look_at_storage
from infrastructure.fetching import Fetcher
from infrastructure.identities import issuers
from infrastructure.identities import key_store as key_store
from infrastructure.keys import PostgresKeys
from infrastructure.mailroom import PostgresMailroom
from infrastructure.migrations import migrate
from infrastructure.observability import Observability, observe
from infrastructure.outbox import PostgresOutbox
from infrastructure.postgres_queue import Bell, PostgresQueue
from infrastructure.reading.reader import PostgresReader
from infrastructure.schedules import PostgresScheduleBook
from infrastructure.settings import Settings
from infrastructure.steward import PostgresSteward
from infrastructure.store import PostgresStore
from infrastructure.templates import PostgresTemplateBook
from triggers.chores import chores
from triggers.configured import crowd, insights, keeping, options, told
from triggers.web_server import WebServer

if TYPE_CHECKING:
    from infrastructure.service_bus.bus import ServiceBus
    from triggers.http.door.access import Access

log = logging.getLogger(__name__)

TICK = 3.0
"""Seconds of a timer's round in which webhooks are served."""
OFTEN = 60.0
"""Chores that are done at least every so many seconds are done with every tick of a timer."""


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
    schedules: Schedules
    templates: Templates
    batches: Batches
    removal: Removal
    housekeeper: Housekeeper
    internet: Internet
    observability: Observability
    webhooks: WebhookDesk
    pump: Pump

    def close(self) -> None:
        self.pump.stop()
        self.observability.close()
        self.internet.reader.close()
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
    observability = observe(given, database, {"jobs": database, "catalog": catalog_database})
    internet = Internet(Fetcher(given.source_rules()), given.sources_url)
    machine = _machine(given, store, catalog_database, internet, observability.watch)
    bell = Bell(database)
    queue = _queue(given, store, database, bell)
    desk = WebhookDesk(
        PostgresMailroom(database), GuardedCaller(given.url_rules()), machine.registry
    )
    removal = Removal(machine)
    limits = Limits(dead_after=given.dead_after_seconds, lost_after=given.lost_after_seconds)
    return Services(
        given,
        database,
        catalog_database,
        machine.registry,
        machine,
        queue,
        Reconciler(machine, queue, limits),
        bell,
        Schedules(machine, PostgresScheduleBook(database, store)),
        Templates(machine, PostgresTemplateBook(database, store)),
        Batches(machine, PostgresBatchBook(database, store)),
        removal,
        Housekeeper(PostgresSteward(database), machine.blobs, removal, keeping(given)),
        internet,
        observability,
        desk,
        _pump(given, desk, bell),
    )


def _pump(given: Settings, desk: WebhookDesk, bell: Bell) -> Pump:
    courier = Courier(desk.mailroom, desk.caller, given.public_url)
    return Pump(courier, bell, senders=given.webhook_senders, keep_days=given.webhook_keep_days)


def _machine(
    given: Settings,
    store: PostgresStore,
    catalog_database: Database,
    internet: Internet,
    watch: Watch,
) -> CoreMachine:
    catalog = PgstacCatalog(catalog_database)
    found = (*options(given), internet)
    return CoreMachine(_registry(given), store, blobs(given), catalog, found, watch)


TASK_CONNECTIONS = 4


def task_machine(given: Settings, watch: Watch) -> CoreMachine:
    """What a process that runs one task at a time needs, with clients of its own. It ends with the process."""
    dsn = given.database_url.get_secret_value()
    database = Database(dsn, size=min(given.pool_size, TASK_CONNECTIONS), name="coremachine-task")
    catalog_database = catalog_pool(dsn, size=given.catalog_pool_size, name="coremachine-task")
    store = PostgresStore(database.open(), outbox=given.service_bus is not None)
    internet = Internet(Fetcher(given.source_rules()), given.sources_url)
    return _machine(given, store, catalog_database.open(), internet, watch)


def _registry(given: Settings) -> Registry:
    """Every job of the packages that the settings name."""
    with one_at_a_time:
        found = [discover(import_module(name.strip())) for name in given.jobs.split(",")]
    jobs = {name: job for each in found for name, job in each.jobs.items()}
    return Registry(jobs, {name: why for each in found for name, why in each.broken.items()})


def _queue(given: Settings, store: PostgresStore, database: Database, bell: Bell) -> Queue:
    if given.service_bus is None:
        return PostgresQueue(store, bell)
    with one_at_a_time:
        from infrastructure.service_bus.queue import ServiceBusQueue  # noqa: PLC0415 - the SDK is slow to import

    return ServiceBusQueue(store, PostgresOutbox(database), service_bus(), given.queue_names())


def blobs(given: Settings) -> Blobs:
    return AzureBlobs(given.storage.get_secret_value(), scratch=given.scratch)


def arm_crashes(given: Settings) -> None:
    if given.crash:
        arm(given.crash)


def prepare(given: Settings) -> list[str]:
    """Bring the database up to date; safe while others run."""
    return migrate(given.database_url.get_secret_value())


def database_facts(given: Settings) -> DatabaseFacts:
    return look_at_database(given.database_url.get_secret_value())


def stored_containers(given: Settings) -> list[str]:
    return look_at_storage(given.storage.get_secret_value())


def worker_process(
    services: Services,
    role: str,
    slots: dict[QueueName, int],
    apart: Callable[[Executor], Apart] | None = None,
) -> WorkerProcess:
    """`apart`: where tasks of the heavy queue run, when not in this process."""
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
        apart=apart,
    )


_lock = threading.Lock()
_shared: list[Services] = []


def shared(given: Settings | None = None) -> Services:
    """The services of this process, built when first needed: a queue-only instance never makes a web app."""
    with _lock:
        if not _shared:
            prepare(settings())
            _shared.append(_installed(build(given or settings())))
        return _shared[0]


def _installed(services: Services) -> Services:
    """With the schedules that the job classes bring."""
    try:
        services.schedules.sync()
    except CoreMachineError:
        services.close()
        raise
    return services


# What function_app.py calls


def uses_service_bus() -> bool:
    return settings().service_bus is not None


def service_bus() -> ServiceBus:
    with one_at_a_time:
        from infrastructure.service_bus.bus import ServiceBus  # noqa: PLC0415 - the SDK is slow to import

    given = settings().service_bus
    assert given is not None, "asked for Service Bus without SERVICEBUS_CONNECTION_STRING"
    return ServiceBus(given.get_secret_value())


_first_message = threading.Lock()
_runners: list[TaskRunner] = []


def _host() -> TaskRunner:
    """The runner of a Functions instance: its session lives as long as its heartbeat does."""
    services = shared()
    with _first_message:
        if not _runners:
            process = worker_process(services, "functions", {})
            process.start()
            _runners.append(process.runner)
        return _runners[0]


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
    """What is done by the second: a host without threads of its own comes by now and then."""
    for chore in chores(shared()):
        if chore.every <= OFTEN:
            chore.act()
    shared().pump.run_for(TICK)


def clean_up() -> None:
    """What is done by the hour."""
    for chore in chores(shared()):
        if chore.every > OFTEN:
            chore.act()


def web_app(host: str | None = None) -> Any:
    """The ASGI app, imported only when the first request comes. `host`: where we listen; None: a platform does it."""
    with one_at_a_time:
        from infrastructure.stac_connections import StacConnections  # noqa: PLC0415 - nor for this
        from services.grids.models import GridLimits  # noqa: PLC0415 - nor for this
        from services.storage.uploads import Rules  # noqa: PLC0415 - a queue-only instance never pays for it
        from services.weather.tilecache.inventory import watched  # noqa: PLC0415 - nor for this
        from triggers.http.app import create_app  # noqa: PLC0415
        from triggers.http.operate.health import scratch_disk  # noqa: PLC0415
        from triggers.http.services import Services as WebServices  # noqa: PLC0415

    services = shared()
    given, machine = services.settings, services.machine
    forecasts = watched(machine.blobs)
    keys = KeyRing(PostgresKeys(services.database), given.key_cache_seconds)
    dsn = given.database_url.get_secret_value()
    return create_app(
        WebServices(
            machine=machine,
            insights=insights(services, PostgresReader(services.database), forecasts),
            forecasts=forecasts,
            blobs=machine.blobs,
            catalog=machine.catalog,
            access=access(given, keys, host),
            keys=keys,
            audit=PostgresAudit(services.database),
            stac=StacConnections(dsn, size=given.catalog_pool_size),
            webhooks=services.webhooks,
            schedules=services.schedules,
            templates=services.templates,
            batches=services.batches,
            housekeeper=services.housekeeper,
            development=given.development,
            checks={"scratch": scratch_disk(given.scratch)},
            max_body_bytes=given.max_body_bytes,
            crowd=crowd(given),
            uploads=Rules(into=given.upload_targets(), largest=given.max_upload_bytes),
            link_lasts=timedelta(minutes=given.link_minutes),
            grid_limits=GridLimits(cells=given.grid_cells),
            static_folder=given.static_folder,
            tiles=given.tiles,
            tile_rasters=given.tile_rasters,
            task_logs=services.observability.logs,
            exposition=services.observability.meter.exposition,
            settings=told(given),
        )
    )


def access(given: Settings, keys: KeyRing, host: str | None) -> Access:
    """Who may call, and how callers are known. Raises UnsafeAddress."""
    with one_at_a_time:
        from triggers.http.door.access import Access, Rates  # noqa: PLC0415 - nor for this
        from triggers.listening import mode_for  # noqa: PLC0415

    mode = mode_for(given.identity, has_issuer=given.entra_tenant is not None, host=host)
    return Access(mode, (keys, *issuers(given)), Rates(*given.rates()))


def job_type(given: Settings, name: str) -> str:
    """The name of an installed job type, as it is today."""
    return _registry(given)[name].job_type


def web_server(host: str, port: int) -> WebServer:
    """The web app, to be started at an address."""
    proxies = list(shared().settings.trusted_proxies())
    return WebServer(web_app(host), host, port, proxies)
