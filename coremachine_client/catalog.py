"""The catalog, as far as STAC itself has no words for it."""

from __future__ import annotations

from typing import Any

from coremachine_client.models import Answer
from coremachine_client.transport import Transport


class Setup(Answer):
    """The state of the catalog."""

    installed: bool
    version: str = ""
    collections: int = 0
    items: int = 0
    missing: list[str] = []
    """Standard collections that are not there."""


class Extracted(Answer):
    """The STAC item of a raster."""

    item: dict[str, Any]
    inserted: bool = False


class _Made(Answer):
    created: list[str]


class Catalog:
    """What a client can do with the catalog; any STAC client reads it at /api/stac."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def setup(self) -> Setup:
        """Whether it is installed, and how much it holds."""
        return self.transport.get(Setup, "/api/stac/setup")

    def init(self) -> list[str]:
        """Make the standard collections where they are missing; those that were made."""
        return self.transport.post(_Made, "/api/stac/init", repeatable=True).created

    def extract(
        self,
        container: str,
        blob_name: str,
        collection_id: str,
        *,
        insert: bool = False,
        item_id: str | None = None,
    ) -> Extracted:
        """Describe a raster in storage (`silver-rasters`, its name) as an item, and add that if told to `insert`."""
        body: dict[str, Any] = {
            "container": container,
            "blob_name": blob_name,
            "collection_id": collection_id,
            "insert": insert,
            "item_id": item_id,
        }
        return self.transport.post(Extracted, "/api/stac/extract", body)
