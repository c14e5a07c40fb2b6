"""Settings: everything that differs between one installation and another, read once from the environment."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.blobs import CONTAINER, Zone
from core.queues import QueueName

TARGET = re.compile(rf"({'|'.join(Zone)})(-{CONTAINER.pattern})?")
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
    grace_seconds: float = Field(default=20.0, ge=0)
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
    tiles: bool = True
    """Whether the web app shows rasters as tiles, previews and values."""
    tile_rasters: int = Field(default=24, ge=1, le=200)
    """How many rasters one picture may open."""
    log_level: str = "INFO"
    """How much is logged: DEBUG, INFO, WARNING or ERROR."""

    @field_validator("upload_into")
    @classmethod
    def names_zones(cls, text: str) -> str:
        for name in _names(text):
            if not TARGET.fullmatch(name):
                raise ValueError(f"{name!r} is no zone and no container, as bronze or silver-masks")
        return text

    def queue_names(self) -> dict[QueueName, str]:
        return {
            QueueName.JOBS: self.queue_jobs,
            QueueName.LIGHT: self.queue_light,
            QueueName.HEAVY: self.queue_heavy,
        }

    def upload_targets(self) -> tuple[str, ...]:
        return _names(self.upload_into)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))
