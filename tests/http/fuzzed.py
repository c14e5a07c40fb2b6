"""The whole installation that the fuzzer asks: real PostgreSQL, pgSTAC and Azurite, with an operator's key."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import requests

from core.identity import Role
from core.keys import KeyRing, NewKey, Secret
from core.registry import Registry
from infrastructure.audit import PostgresAudit
from infrastructure.blobs.azure import AzureBlobs
from infrastructure.catalog import PgstacCatalog, catalog_pool
from infrastructure.database import Database
from infrastructure.keys import PostgresKeys
from infrastructure.stac_connections import StacConnections
from tests.http.house import House, serving
from tests.http.sample_jobs import JOBS, Choosy, Failing, Squares
from tests.store.sample_jobs import Gated
from triggers.http.door.access import Access, Rates
from triggers.listening import Mode

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it imports is older than this Python
    import schemathesis

PLENTY = Rates(0, 1, 0, 1, 0)


@dataclass
class Installation:
    """Where it answers, who asks, and names of things that are there."""

    url: str
    key: str
    session: requests.Session
    schema: Any
    known: dict[str, list[str]] = field(default_factory=dict)


@contextmanager
def installation(dsn: str, storage: str) -> Iterator[Installation]:
    with ExitStack() as stack:
        database = Database(dsn).open()
        stack.callback(database.close)
        blobs = AzureBlobs(storage, retries=0)
        stack.callback(blobs.close)
        pool = catalog_pool(dsn, size=4, name="fuzz").open()
        stack.callback(pool.close)
        house = House(database, Registry.of(*JOBS, Gated), blobs, PgstacCatalog(pool))  # type: ignore[arg-type]
        keys = PostgresKeys(database)
        app = house.app(
            access=Access(Mode.REQUIRED, (KeyRing(keys),), PLENTY),
            stac=StacConnections(dsn, size=4),
        )
        url = stack.enter_context(serving(app))
        session = stack.enter_context(requests.Session())
        key = operator(keys)
        known = seeded(house, url, key) | {"key_id": [operator(keys).split("_")[1]]}
        document = httpx.get(f"{url}/api/openapi.json", timeout=120).json()
        schema = schemathesis.openapi.from_dict(document)
        yield Installation(url, key, session, schema, known)


def operator(keys: PostgresKeys) -> str:
    secret = Secret.make()
    keys.add(NewKey(secret.id, secret.digest, "the fuzzer", Role.OPERATOR), "test")
    return str(secret)


def seeded(house: House, url: str, key: str) -> dict[str, list[str]]:
    """Things to be asked for: what never exists shows little."""
    jobs = [house.finish(Squares(n=3)), house.finish(Failing()), house.finish(Gated())]
    jobs.append(house.submit(Choosy(count=2)))
    PostgresAudit(house.database).note("test", "seeded", "all")
    house.store.quarantine("jobs", "m", b"x", "old")
    with httpx.Client(base_url=f"{url}/api", headers={"X-API-Key": key}, timeout=120) as client:
        tasks = client.get(f"/jobs/{jobs[0]}/tasks").json()["tasks"]
        client.put("/schedules/nightly", json={"job_type": "squares", "cron": "0 3 * * *"})
        return {
            "job_id": jobs,
            "task_id": [task["task_id"] for task in tasks],
            "job_type": ["squares", "choosy"],
            "process_id": ["squares", "choosy"],
            "stage": ["review"],
            "number": ["1"],
            "zone": ["bronze", "silver"],
            "container": ["bronze-rasters", "maps"],
            "collection": ["hills"],
            "collection_id": ["hills"],
            "tileMatrixSetId": ["WebMercatorQuad"],
            "format": ["png"],
        }
