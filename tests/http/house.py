"""The web app over a real store, and a worker that runs what is due when told to."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import uvicorn

from core.batches import Batches
from core.catalog import Catalog
from core.executor import Executor
from core.held import Held
from core.insights.questions import Insights
from core.job import JobBase
from core.keys import KeyRing
from core.machine import CoreMachine
from core.memory.blobs import MemoryBlobs
from core.memory.catalog import MemoryCatalog
from core.ports import Worker
from core.queues import QueueName
from core.registry import Registry
from core.schedules.desk import Schedules
from core.tasks import Claim
from core.templates import Templates
from core.upkeep.housekeeper import Housekeeper
from core.upkeep.keeping import Keeping
from core.upkeep.removal import Removal
from core.webhooks.desk import WebhookDesk
from core.worker import TaskRunner
from infrastructure.audit import PostgresAudit
from infrastructure.batches import PostgresBatchBook
from infrastructure.calling import GuardedCaller
from infrastructure.database import Database
from infrastructure.keys import PostgresKeys
from infrastructure.mailroom import PostgresMailroom
from infrastructure.observability import observe
from infrastructure.reading.reader import PostgresReader
from infrastructure.schedules import PostgresScheduleBook
from infrastructure.settings import Settings
from infrastructure.steward import PostgresSteward
from infrastructure.store import PostgresStore
from infrastructure.templates import PostgresTemplateBook
from tests.http.sample_jobs import JOBS
from tests.support.waiting import eventually
from triggers.http.app import WebApp, create_app
from triggers.http.door.crowd import CrowdLimits
from triggers.http.services import Probe, Services


@dataclass
class House:
    """Everything the web app needs, over one database."""

    database: Database
    registry: Registry
    blobs: MemoryBlobs = field(default_factory=MemoryBlobs)
    catalog: Catalog = field(default_factory=MemoryCatalog)

    def __post_init__(self) -> None:
        self.store = PostgresStore(self.database)
        self.observability = observe(Settings(), self.database, {"jobs": self.database})
        watch = self.observability.watch
        self.machine = CoreMachine(self.registry, self.store, self.blobs, self.catalog, watch=watch)
        self.reader = PostgresReader(self.database)
        scales = self.observability.scales
        self.insights = Insights(self.reader, self.registry, self.blobs, scales=scales)
        self.schedules = Schedules(self.machine, PostgresScheduleBook(self.database, self.store))
        self.templates = Templates(self.machine, PostgresTemplateBook(self.database, self.store))
        self.batches = Batches(self.machine, PostgresBatchBook(self.database, self.store))
        rules = Settings().url_rules()
        post = PostgresMailroom(self.database)
        self.desk = WebhookDesk(post, GuardedCaller(rules), self.registry)
        steward = PostgresSteward(self.database)
        self.housekeeper = Housekeeper(steward, self.blobs, Removal(self.machine), Keeping())
        self.worker = Worker(uuid4(), "test", 1, "test", tuple(QueueName))
        held = Held()
        self.runner = TaskRunner(
            self.machine, Executor(self.machine, self.worker.session, held), held
        )

    def services(self, checks: Mapping[str, Probe] | None = None, **more: object) -> Services:
        return Services(
            self.machine,
            self.insights,
            self.blobs,
            self.catalog,
            checks=checks or {},
            schedules=self.schedules,
            templates=self.templates,
            batches=self.batches,
            poll_every=0.02,
            task_logs=self.observability.logs,
            exposition=self.observability.meter.exposition,
            **{
                "keys": KeyRing(PostgresKeys(self.database)),
                "audit": PostgresAudit(self.database),
                "webhooks": self.desk,
                "housekeeper": self.housekeeper,
                "health_deadline": 60.0,  # a busy machine is not a sick one
                "crowd": CrowdLimits(patience=120),
                **more,
            },
        )

    def app(self, **more: object) -> WebApp:
        return create_app(self.services(**more))

    def submit(self, job: JobBase, *, force: bool = False) -> str:
        return self.machine.submit(job, force=force).run.job_id

    def claim(self, limit: int = 500) -> list[Claim]:
        """What is due now, on whichever queue."""
        claims = (self.store.claim_due(q, self.worker.session, limit) for q in QueueName)
        return [claim for some in claims for claim in some]

    def work(self, turns: int = 1_000) -> None:
        """Run what is due, until nothing is or the turns are over."""
        while turns and (claims := self.claim()):
            self.runner.run(claims, patience=60)
            turns -= 1

    def finish(self, job: JobBase) -> str:
        """Submit a job, run it to its end, and give back its id."""
        job_id = self.submit(job)
        self.work()
        return job_id


@contextmanager
def house_of(dsn: str, registry: Registry | None = None) -> Iterator[House]:
    database = Database(dsn).open()
    try:
        yield House(database, registry or Registry.of(*JOBS))
    finally:
        database.close()


@contextmanager
def serving(app: WebApp) -> Iterator[str]:
    """The app under uvicorn in a thread; its address."""
    config = uvicorn.Config(
        app, port=0, log_config=None, ws="none", timeout_graceful_shutdown=1, access_log=False,
        timeout_keep_alive=600,  # longer than a client keeps one: else it may write to one that is closing
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        eventually(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(120)
