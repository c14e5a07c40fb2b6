"""Settings: everything that differs between one installation and another, read once from the environment."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.blobs import CONTAINER, Zone
from core.guard import UrlRules
from core.identity import Role
from core.queues import QueueName

TARGET = re.compile(rf"({'|'.join(Zone)})(-{CONTAINER.pattern})?")
GUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
SAFE = re.compile(r"https://|http://(127\.0\.0\.1|localhost)[:/]")
DEFAULT_DATABASE = "postgresql://postgres@127.0.0.1:5432/coremachine"


class Settings(BaseSettings):
    """Names without prefix are those that the platform and other tools know; ours begin with CM_."""

    model_config = SettingsConfigDict(
        env_prefix="CM_", env_ignore_empty=True, extra="ignore", frozen=True, populate_by_name=True
    )

    database_url: SecretStr = Field(
        default=SecretStr(DEFAULT_DATABASE), validation_alias="DATABASE_URL"
    )
    """The PostgreSQL that holds the truth. It is the one thing that cannot be done without."""
    storage: SecretStr = Field(
        default=SecretStr("UseDevelopmentStorage=true"),
        validation_alias="AZURE_STORAGE_CONNECTION_STRING",
    )
    """Blob storage: a connection string."""
    service_bus: SecretStr | None = Field(
        default=None, validation_alias="SERVICEBUS_CONNECTION_STRING"
    )
    """Azure Service Bus: a connection string. Without it, PostgreSQL is the queue."""
    queue_jobs: str = "jobs"
    """The Service Bus queue that carries control tasks."""
    queue_light: str = "tasks-light"
    """The Service Bus queue that carries short tasks."""
    queue_heavy: str = "tasks-heavy"
    """The Service Bus queue that carries long tasks."""
    pool_size: int = Field(default=12, ge=2, le=100)
    """Database connections a process may open at most."""
    catalog_pool_size: int = Field(default=4, ge=1, le=50)
    """Connections to the catalog that a process may open at most, for its tasks and again for its STAC API."""
    light_slots: int = Field(default=2, ge=0, le=64)
    """How many short tasks a worker process runs side by side."""
    heavy_slots: int = Field(default=1, ge=0, le=16)
    """How many long tasks a worker process runs side by side."""
    heavy_memory_mb: int | None = Field(default=None, ge=64)
    """Megabytes of memory that a long task may use; unset, the slots share three quarters of the machine's."""
    heavy_tasks: int = Field(default=200, ge=1)
    """After how many tasks a process that runs long ones is replaced by a fresh one."""
    batch: int = Field(default=500, ge=1, le=5000)
    """How many short tasks a slot claims at once at most."""
    heartbeat_seconds: float = Field(default=5.0, gt=0)
    """How often a worker says that it lives."""
    dead_after_seconds: float = Field(default=20.0, gt=0)
    """After how long without a heartbeat a worker is taken for dead and its tasks go to others."""
    lost_after_seconds: float = Field(default=60.0, gt=0)
    """After how long a message that nobody claimed is sent again."""
    reconcile_seconds: float = Field(default=1.0, gt=0)
    """How often a worker looks for what must be repaired."""
    schedule_seconds: float = Field(default=1.0, gt=0)
    """How often a worker looks whether a schedule has something to submit."""
    housekeeping_seconds: float = Field(default=3600.0, gt=0)
    """How often a worker looks for what has been kept for long enough."""
    keep_jobs_days: float | None = Field(default=None, gt=0)
    """After how many days the records of a job that has ended are removed; what it stored stays. Never when unset."""
    keep_details_days: float = Field(default=30.0, gt=0)
    """After how many days messages set aside, log lines, ticks of schedules and lists of batches are removed."""
    keep_audit_days: float = Field(default=365.0, gt=0)
    """After how many days it is forgotten who changed what."""
    keep_temporary_hours: float = Field(default=24.0, ge=1)
    """After how many hours a temporary blob is removed whose writer is gone."""
    development: bool = False
    """Whether an operator may drop every job and begin anew."""
    grace_seconds: float = Field(default=8.0, ge=0)
    """How long running tasks may go on after SIGTERM before they are given back."""
    max_requests: int = Field(default=32, ge=1, le=1000)
    """How many requests a process works on at once; health checks are not counted."""
    max_waiting_requests: int = Field(default=256, ge=0, le=10_000)
    """How many further requests may wait in line; the others are told to come back (429)."""
    request_patience_seconds: float = Field(default=5.0, gt=0, le=60)
    """How long a request waits in line at most."""
    max_streams: int = Field(default=200, ge=0, le=10_000)
    """How many event streams a process keeps open."""
    max_body_bytes: int = Field(default=1024 * 1024, ge=1024)
    """The largest request body that is accepted, in bytes."""
    max_upload_bytes: int = Field(default=5 * 1024**3, ge=0, le=400_000 * 1024**2)
    """The largest upload that is accepted, in bytes."""
    upload_into: str = "bronze"
    """The zones that take uploads, or single containers as `silver-masks`, comma separated."""
    link_minutes: float = Field(default=60.0, gt=0, le=7 * 24 * 60)
    """How long a link to a blob is good."""
    grid_cells: int = Field(default=100_000_000, ge=1)
    """The most cells that one question about a cube may read."""
    jobs: str = "jobs"
    """The packages whose modules are job types, comma separated."""
    static_folder: Path = Path("node_modules")
    """Where the packages that the API pages need were installed."""
    sources_url: str = ""
    """A server that answers for every place that jobs read from, as `python -m triggers.local.sources` does; the real ones when not set."""
    weather_keep_hours: float = Field(default=48.0, gt=0)
    """How long messages of forecasts stay in the cache, counted from their cycle."""
    weather_lines: int = Field(default=16, ge=1, le=64)
    """Requests that one weather patch makes at once."""
    weather_regions: str = ""
    """Of which places forecasts are kept as tiles: a JSON list of regions, each as the job scan_source takes one."""
    weather_most_pending: int = Field(default=500, ge=1, le=10_000)
    """How many hours of a model one scan hands out at most."""
    firms_key: SecretStr = SecretStr("")
    """The key with which detections are asked for at NASA FIRMS."""
    scratch: Path | None = None
    """Where tasks put temporary files; the system's place when unset."""
    raster_cache_mb: int = Field(default=256, ge=16)
    """GDAL's block cache, in megabytes; a process has one."""
    tile_above_gb: float = Field(default=2.0, gt=0)
    """A raster with more cells than fill so many gigabytes is cut into tiles, a task each."""
    tile_size: int = Field(default=8192, ge=512, multiple_of=512)
    """Cells along the edge of such a tile."""
    analysis_compression: Literal["ZSTD", "DEFLATE"] = "ZSTD"
    """How analysis COGs are compressed: fast and small, or as readers from before 2018 know it."""
    price_visualization: float = Field(default=0.018, ge=0)
    """What a gigabyte of the visualization tier costs to keep for a month."""
    price_analysis: float = Field(default=0.018, ge=0)
    """The same of the analysis tier."""
    price_archive: float = Field(default=0.002, ge=0)
    """The same of the archive tier."""
    currency: str = "USD"
    """The currency of these prices."""
    crash: str = ""
    """A crash point to arm, as `name:n[:signal]`. For tests only."""
    webhook_senders: int = Field(default=16, ge=0, le=64)
    """How many webhook deliveries a process sends side by side; 0: none."""
    webhook_keep_days: int = Field(default=30, ge=1, le=3650)
    """After how many days a delivery is forgotten, delivered or not."""
    public_url: str = ""
    """Where this installation is reached, as `https://example.org`: what links in messages begin with."""
    url_plain_http: bool = False
    """Whether URLs that users give may be http."""
    url_ports: str = "443,8443"
    """The ports of public addresses that such URLs may name, comma separated; 80 too where http is allowed."""
    url_networks: str = ""
    """Networks that such URLs may lead to though they are not public, comma separated, on any port."""
    tiles: bool = True
    """Whether the web app shows rasters as tiles, previews and values."""
    tile_rasters: int = Field(default=24, ge=1, le=200)
    """How many rasters one picture may open."""
    identity: Literal["required", "local", "open"] | None = None
    """Who may call: those who are known, every program of this machine, everybody. When not set: the first with Entra ID, else the second."""
    entra_tenant: str | None = Field(default=None, pattern=GUID)
    """The id of the Microsoft Entra tenant whose tokens are taken. It needs an audience."""
    entra_audience: str = ""
    """Whom a token must be for, as `api://coremachine` or the application's id, comma separated."""
    entra_authority: str = "https://login.microsoftonline.com"
    """Where the tenant's configuration is found; national clouds have their own."""
    entra_issuer: str = ""
    """The issuers of tokens that are taken, comma separated, when not the usual ones of the tenant."""
    entra_jwks: str = ""
    """Where the issuer's keys are found, when not where its configuration says."""
    entra_roles: str = ""
    """Further names of roles, as `Contoso.Admin=operator`, comma separated."""
    key_cache_seconds: float = Field(default=5.0, ge=0, le=60)
    """How long a process believes what it knows of an API key: so long after its revocation it may still be good."""
    caller_rate: float = Field(default=100.0, ge=0)
    """Requests a second that one caller may ask of one process, on average; 0: no limit."""
    caller_burst: float = Field(default=500.0, ge=1)
    """How many of them at once."""
    address_rate: float = Field(default=20.0, ge=0)
    """Requests a second without a credential, of one address; 0: no limit."""
    address_burst: float = Field(default=100.0, ge=1)
    """How many of them at once."""
    failed_logins: float = Field(default=20.0, ge=0)
    """Credentials a minute that are not good, of one address; 0: no limit."""
    proxies: str = ""
    """Addresses of proxies whose X-Forwarded-For is believed, comma separated."""
    log_level: str = "INFO"
    """How much is logged: DEBUG, INFO, WARNING or ERROR."""
    log_format: Literal["text", "json"] = "text"
    """How it is logged: lines for people, or one JSON object a line for programs."""
    otlp_endpoint: str | None = Field(default=None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    """Where traces are sent by OTLP over HTTP. Without it, and without Application Insights, nothing is traced."""
    service_name: str = Field(default="coremachine", validation_alias="OTEL_SERVICE_NAME")
    """What this installation is called in traces."""
    application_insights: SecretStr | None = Field(
        default=None, validation_alias="APPLICATIONINSIGHTS_CONNECTION_STRING"
    )
    """Azure Application Insights, for traces: a connection string."""

    @field_validator("entra_authority", "entra_jwks")
    @classmethod
    def is_safe(cls, url: str) -> str:
        """Whoever can change these answers can make keys to everything."""
        if url and not SAFE.match(url):
            raise ValueError("must begin with https://")
        return url.rstrip("/")

    @field_validator("entra_roles")
    @classmethod
    def names_roles(cls, text: str) -> str:
        for pair in _names(text):
            if pair.partition("=")[2] not in list(Role):
                raise ValueError(f"{pair!r} is not like Contoso.Admin=operator")
        return text

    @model_validator(mode="after")
    def is_whole(self) -> Settings:
        if self.entra_tenant and not self.audiences():
            raise ValueError("CM_ENTRA_TENANT needs CM_ENTRA_AUDIENCE")
        return self

    @field_validator("upload_into")
    @classmethod
    def names_zones(cls, text: str) -> str:
        for name in _names(text):
            if not TARGET.fullmatch(name):
                raise ValueError(f"{name!r} is no zone and no container, as bronze or silver-masks")
        return text

    @field_validator("url_networks")
    @classmethod
    def names_networks(cls, text: str) -> str:
        for name in _names(text):
            ip_network(name)
        return text

    @field_validator("url_ports")
    @classmethod
    def names_ports(cls, text: str) -> str:
        for name in _names(text):
            if not 0 < int(name) < 65_536:
                raise ValueError(f"{name} is no port")
        return text

    @field_validator("public_url", "sources_url")
    @classmethod
    def without_end(cls, text: str) -> str:
        if text and not text.startswith(("https://", "http://")):
            raise ValueError("begin it with https://")
        return text.rstrip("/")

    def url_rules(self) -> UrlRules:
        return UrlRules(
            plain_http=self.url_plain_http,
            networks=tuple(ip_network(name) for name in _names(self.url_networks)),
            ports=frozenset(int(name) for name in _names(self.url_ports)),
        )

    def source_rules(self) -> UrlRules:
        """Places that our own data name are public and https; a stand-in may be on this machine."""
        if not self.sources_url:
            return UrlRules()
        return UrlRules(plain_http=True, networks=(ip_network("127.0.0.0/8"), ip_network("::1")))

    def queue_names(self) -> dict[QueueName, str]:
        return {
            QueueName.JOBS: self.queue_jobs,
            QueueName.LIGHT: self.queue_light,
            QueueName.HEAVY: self.queue_heavy,
        }

    def audiences(self) -> tuple[str, ...]:
        return _names(self.entra_audience)

    def issuers(self) -> tuple[str, ...]:
        """Those that are set, or both that a tenant has: for tokens of version 2, and of version 1."""
        here = f"{self.entra_authority}/{self.entra_tenant}/v2.0"
        return _names(self.entra_issuer) or (here, f"https://sts.windows.net/{self.entra_tenant}/")

    def keys_url(self) -> str:
        """Where the issuer's keys are found, or the configuration that says where."""
        configuration = "v2.0/.well-known/openid-configuration"
        return self.entra_jwks or f"{self.entra_authority}/{self.entra_tenant}/{configuration}"

    def roles(self) -> dict[str, Role]:
        """Our roles by their names in tokens, in lower case."""
        pairs = (pair.partition("=") for pair in _names(self.entra_roles))
        return {str(r): r for r in Role} | {name.strip().lower(): Role(r) for name, _, r in pairs}

    def rates(self) -> tuple[float, float, float, float, float]:
        """Requests of callers and of addresses, on average and at once; then credentials that are not good."""
        callers, addresses = (
            (self.caller_rate, self.caller_burst),
            (self.address_rate, self.address_burst),
        )
        return (*callers, *addresses, self.failed_logins)

    def trusted_proxies(self) -> tuple[str, ...]:
        return _names(self.proxies)

    def upload_targets(self) -> tuple[str, ...]:
        return _names(self.upload_into)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))
