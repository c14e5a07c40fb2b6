"""Which role each route needs, and who writes down what it changes. A route that is missing here is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from core.identity import Role


class Open(StrEnum):
    """What needs no role."""

    PUBLIC = "public"
    """Nobody is asked who calls."""
    ANYONE = "anyone"
    """Answered to everybody, and more to those who are known."""
    KNOWN = "known"
    """Answered to everybody who is known, even without a role."""


EVENT, STORE, NOTHING = "event", "store", "-"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a route needs of its caller."""

    method: str
    path: str
    needs: Role | Open
    audit: str = NOTHING
    """How a change is written down: `event` of the job, `store` in its own transaction, `-` nothing changes,
    else the action that is noted when the request went well."""

    @property
    def note(self) -> str | None:
        return None if self.audit in (EVENT, STORE, NOTHING) else self.audit

    @property
    def is_page(self) -> bool:
        """Whether people look at it in a browser."""
        return not self.path.startswith("/api/") and self.path != "/metrics"

    @property
    def is_free(self) -> bool:
        """Whether a key that is limited to some job types may use it whatever they are."""
        return self.needs in (Role.READER, *Open) or self.path.startswith("/api/storage/")


TABLE = """
# The installation
GET     /api/livez                                                  public
GET     /api/readyz                                                 public
GET     /api/health                                                 anyone
GET     /api/status/deep                                            reader
GET     /api/status/throughput                                      reader
GET     /api/status/stream                                          reader
GET     /api/history                                                reader
GET     /metrics                                                    reader
GET     /api/metrics                                                reader
GET     /api/openapi.json                                           public
GET     /api/interface/swagger                                      public
GET     /api/interface/redoc                                        public
GET     /api/interface/assets/{name}                                public

# Pages. What their buttons do goes to the API's own routes, which ask for their own roles.
GET     /                                                           reader
GET     /assets/{version}/{name}                                    public
GET     /sign-in                                                    public
POST    /sign-in                                                    public      -
POST    /sign-out                                                   public      -
GET     /status                                                     reader
GET     /jobs                                                       reader
GET     /jobs/{job_id}                                              reader
GET     /jobs/{job_id}/timeline                                     reader
GET     /jobs/{job_id}/tasks                                        reader
GET     /jobs/{job_id}/tasks/{task_id}                              reader
GET     /jobs/{job_id}/events                                       reader
GET     /jobs/{job_id}/logs                                         reader
GET     /submit                                                     reader
GET     /submit/{job_type}                                          reader
POST    /submit/{job_type}                                          submitter   event
POST    /submit/{job_type}/check                                    submitter   -
GET     /catalog                                                    reader
GET     /catalog/{collection}/{item}                                reader
GET     /fire                                                       reader
POST    /fire                                                       submitter   event
GET     /fire/{job_id}/isochrones                                   reader
GET     /fire/{job_id}/weather                                      reader
GET     /series/item                                                reader
GET     /series/forecast                                            reader
GET     /pick/blobs                                                 reader
GET     /storage                                                    reader
GET     /storage/blob                                               reader
GET     /storage/picture                                            reader
GET     /history                                                    reader
GET     /history/numbers.csv                                        reader
GET     /operate                                                    operator
GET     /operate/workers                                            reader
GET     /operate/schedules                                          reader
GET     /operate/webhooks                                           operator
GET     /operate/database                                           operator
GET     /operate/settings                                           operator
GET     /operate/keys                                               operator
GET     /operate/audit                                              operator

# Identity
GET     /api/whoami                                                 known
GET     /api/keys                                                   operator
POST    /api/keys                                                   operator    store
DELETE  /api/keys/{key_id}                                          operator    store
GET     /api/audit                                                  operator

# Jobs
POST    /api/jobs/submit/{job_type}                                 submitter   event
GET     /api/jobs/status/{job_id}                                   reader
GET     /api/jobs                                                   reader
GET     /api/jobs/{job_id}                                          reader
GET     /api/jobs/{job_id}/tasks                                    reader
GET     /api/jobs/{job_id}/tasks/{task_id}                          reader
GET     /api/jobs/{job_id}/result                                   reader
GET     /api/jobs/{job_id}/events                                   reader
GET     /api/jobs/{job_id}/events/stream                            reader
GET     /api/jobs/{job_id}/logs                                     reader
GET     /api/jobs/{job_id}/timeline                                 reader
GET     /api/gates                                                  reader
GET     /api/job-types                                              reader
GET     /api/job-types/{job_type}                                   reader
GET     /api/concurrency                                            reader
GET     /api/limits/{job_type}                                      reader
PUT     /api/limits/{job_type}                                      operator    store
GET     /api/db/jobs                                                reader
GET     /api/db/tasks/{job_id}                                      reader

# Control
POST    /api/jobs/{job_id}/cancel                                   submitter   event
POST    /api/jobs/{job_id}/pause                                    operator    event
POST    /api/jobs/{job_id}/resume                                   operator    event
POST    /api/jobs/{job_id}/resubmit                                 submitter   event
POST    /api/jobs/{job_id}/replay                                   operator    event
POST    /api/jobs/{job_id}/tasks/{task_id}/retry                    operator    event
DELETE  /api/jobs/{job_id}                                          operator    store
POST    /api/jobs/{job_id}/gates/{stage}/approve                    approver    event
POST    /api/jobs/{job_id}/gates/{stage}/reject                     approver    event

# Schedules, templates, batches
GET     /api/schedules                                              reader
POST    /api/schedules                                              operator    store
GET     /api/schedules/{name}                                       reader
PUT     /api/schedules/{name}                                       operator    store
DELETE  /api/schedules/{name}                                       operator    store
POST    /api/schedules/{name}/pause                                 operator    store
POST    /api/schedules/{name}/resume                                operator    store
POST    /api/schedules/{name}/trigger                               operator    event
GET     /api/schedules/{name}/history                               reader
GET     /api/schedules/{name}/next                                  reader
GET     /api/templates                                              reader
PUT     /api/templates/{name}                                       submitter   store
GET     /api/templates/{name}                                       reader
DELETE  /api/templates/{name}                                       submitter   store
GET     /api/templates/{name}/versions                              reader
POST    /api/templates/{name}/submit                                submitter   event
POST    /api/batches                                                submitter   event
GET     /api/batches                                                reader
GET     /api/batches/{batch_id}                                     reader
GET     /api/batches/{batch_id}/jobs                                reader
POST    /api/batches/{batch_id}/cancel                              submitter   event
GET     /api/templates/{name}/submissions                           reader

# Webhooks. What they send leaves the house, and addresses may be secrets: even the list is an operator's.
GET     /api/webhooks                                               operator
POST    /api/webhooks                                               operator    store
GET     /api/webhooks/{webhook_id}                                  operator
PUT     /api/webhooks/{webhook_id}                                  operator    store
DELETE  /api/webhooks/{webhook_id}                                  operator    store
POST    /api/webhooks/{webhook_id}/pause                            operator    store
POST    /api/webhooks/{webhook_id}/resume                           operator    store
POST    /api/webhooks/{webhook_id}/test                             operator    store
POST    /api/webhooks/{webhook_id}/secret                           operator    store
GET     /api/webhooks/{webhook_id}/deliveries                       operator
GET     /api/webhooks/{webhook_id}/deliveries/{delivery}            operator
POST    /api/webhooks/{webhook_id}/deliveries/{delivery}/replay     operator    store

# Dead letters and the database. Statements and messages may tell of anybody's work.
GET     /api/dead-letters                                           operator
GET     /api/dead-letters/{number}                                  operator
POST    /api/dead-letters/{number}/replay                           operator    letter_replayed
DELETE  /api/dead-letters/{number}                                  operator    letter_discarded
GET     /api/dbadmin/activity                                       operator
GET     /api/dbadmin/tables                                         operator
GET     /api/dbadmin/migrations                                     operator
POST    /api/dbadmin/maintenance                                    operator    maintained

# OGC API - Processes
GET     /api/ogc                                                    reader
GET     /api/ogc/                                                   reader
GET     /api/ogc/conformance                                        reader
GET     /api/ogc/processes                                          reader
GET     /api/ogc/processes/{process_id}                             reader
POST    /api/ogc/processes/{process_id}/execution                   submitter   event
GET     /api/ogc/jobs                                               reader
GET     /api/ogc/jobs/{job_id}                                      reader
DELETE  /api/ogc/jobs/{job_id}                                      submitter   event
GET     /api/ogc/jobs/{job_id}/results                              reader

# Storage
POST    /api/storage/upload                                         submitter   blob_uploaded
POST    /api/storage/uploads                                        submitter   -
GET     /api/storage/uploads/{upload_id}                            submitter
PUT     /api/storage/uploads/{upload_id}/{number}                   submitter   -
POST    /api/storage/uploads/{upload_id}/complete                   submitter   blob_uploaded
DELETE  /api/storage/uploads/{upload_id}                            submitter   upload_forgotten
GET     /api/storage/blob/{zone}/{container}/{path}                 reader
HEAD    /api/storage/blob/{zone}/{container}/{path}                 reader
POST    /api/storage/links                                          submitter   link_given
GET     /api/storage/costs                                          reader
GET     /api/storage/zones                                          reader
GET     /api/storage/containers                                     reader
GET     /api/storage/{zone}/{container}/blobs                       reader
GET     /api/storage/{container}/blobs                              reader
GET     /api/storage/{zone}/{container}/blob                        reader
GET     /api/storage/{container}/blob                               reader
GET     /api/analysis/container/{job_id}                            reader

# The catalog
GET     /api/stac/setup                                             reader
POST    /api/stac/init                                              operator    collections_made
POST    /api/stac/extract                                           submitter   item_extracted
GET     /api/stac                                                   reader
GET     /api/stac/                                                  reader
GET     /api/stac/conformance                                       reader
GET     /api/stac/collections                                       reader
GET     /api/stac/collections/{collection_id}                       reader
GET     /api/stac/collections/{collection_id}/items                 reader
GET     /api/stac/collections/{collection_id}/items/{item_id}       reader
GET     /api/stac/search                                            reader
POST    /api/stac/search                                            reader      -
GET     /api/stac/queryables                                        reader
GET     /api/stac/collections/{collection_id}/queryables            reader

# Forecasts that are kept as tiles
GET     /api/weather/inventory                                      reader
GET     /api/timeseries                                             reader
GET     /api/timeseries/multirun                                    reader
GET     /api/timeseries/stitched                                    reader

# Forecasts of fires
POST    /api/forecast/jit                                           submitter   event
GET     /api/forecast/jit/{job_id}                                  reader
POST    /api/forecast/generate                                      submitter   event
GET     /api/forecast                                               reader
GET     /api/fires/detections                                       reader

# Cubes, tiles and mosaics. To register a search is to ask for it: equal ones are one, and none is ever changed.
GET     /api/xarray/{collection}/{item}/info                        reader
GET     /api/xarray/{collection}/{item}/point                       reader
GET     /api/xarray/{collection}/{item}/statistics                  reader
GET     /api/xarray/{collection}/{item}/aggregate                   reader
POST    /api/mosaics/searches                                       reader      -
GET     /api/mosaics/searches/{search}/info                         reader
GET     /api/mosaics/searches/{search}/point/{lon},{lat}            reader
GET     /api/mosaics/searches/{search}/tiles/{tileMatrixSetId}/{z}/{x}/{y}.{format}     reader
GET     /api/mosaics/searches/{search}/tiles/{tileMatrixSetId}/{z}/{x}/{y}              reader
GET     /api/mosaics/searches/{search}/{tileMatrixSetId}/tilejson.json                  reader
GET     /api/mosaics/searches/{search}/bbox/{minx},{miny},{maxx},{maxy}/{width}x{height}.{format}   reader
GET     /api/mosaics/searches/{search}/bbox/{minx},{miny},{maxx},{maxy}.{format}        reader
GET     /api/mosaics/searches/{search}/WMTSCapabilities.xml         reader
GET     /api/mosaics/{collection}/info                              reader
GET     /api/mosaics/{collection}/point/{lon},{lat}                 reader
GET     /api/mosaics/{collection}/tiles/{tileMatrixSetId}/{z}/{x}/{y}.{format}          reader
GET     /api/mosaics/{collection}/tiles/{tileMatrixSetId}/{z}/{x}/{y}                   reader
GET     /api/mosaics/{collection}/{tileMatrixSetId}/tilejson.json   reader
GET     /api/mosaics/{collection}/bbox/{minx},{miny},{maxx},{maxy}/{width}x{height}.{format}        reader
GET     /api/mosaics/{collection}/bbox/{minx},{miny},{maxx},{maxy}.{format}             reader
GET     /api/mosaics/{collection}/WMTSCapabilities.xml              reader
GET     /api/tiles/{collection}/{item}/info                         reader
GET     /api/tiles/{collection}/{item}/statistics                   reader
POST    /api/tiles/{collection}/{item}/statistics                   reader      -
GET     /api/tiles/{collection}/{item}/point/{lon},{lat}            reader
GET     /api/tiles/{collection}/{item}/tiles/{tileMatrixSetId}/{z}/{x}/{y}.{format}     reader
GET     /api/tiles/{collection}/{item}/tiles/{tileMatrixSetId}/{z}/{x}/{y}              reader
GET     /api/tiles/{collection}/{item}/{tileMatrixSetId}/tilejson.json                  reader
GET     /api/tiles/{collection}/{item}/preview.{format}             reader
GET     /api/tiles/{collection}/{item}/preview                      reader
GET     /api/tiles/{collection}/{item}/bbox/{minx},{miny},{maxx},{maxy}/{width}x{height}.{format}   reader
GET     /api/tiles/{collection}/{item}/bbox/{minx},{miny},{maxx},{maxy}.{format}        reader
POST    /api/tiles/{collection}/{item}/feature.{format}             reader      -
POST    /api/tiles/{collection}/{item}/feature                      reader      -
GET     /api/tiles/{collection}/{item}/WMTSCapabilities.xml         reader
"""


def _needs(word: str) -> Role | Open:
    return Role(word) if word in list(Role) else Open(word)


def _rules(table: str) -> Mapping[tuple[str, str], Rule]:
    lines = (line.split() for line in table.splitlines())
    rows = [line for line in lines if line and line[0] != "#"]
    rules = [Rule(row[0], row[1], _needs(row[2]), *row[3:]) for row in rows]
    by_route: dict[tuple[str, str], Rule] = {}
    for rule in rules:
        twice = by_route.setdefault((rule.method, rule.path), rule)
        assert twice is rule, f"{rule.method} {rule.path} stands twice in the table of roles"
    return by_route


RULES = _rules(TABLE)


def rule_of(method: str, path: str) -> Rule | None:
    """What a route needs. A page that has no rule for HEAD takes that of GET."""
    found = RULES.get((method, path))
    return RULES.get(("GET", path)) if found is None and method == "HEAD" else found


SCHEMES = {
    "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "Bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, or an access token of Microsoft Entra ID.",
    },
}


def secured(document: dict[str, Any]) -> None:
    """Let the OpenAPI document tell what each operation needs."""
    document["components"]["securitySchemes"] = SCHEMES
    either: list[dict[str, list[str]]] = [{name: []} for name in SCHEMES]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if (rule := rule_of(method.upper(), path)) is None:
                continue
            if rule.needs in (Open.PUBLIC, Open.ANYONE):
                operation["security"] = [{}, *either] if rule.needs is Open.ANYONE else []
            else:
                operation["security"] = either
            operation["x-role"] = str(rule.needs)
