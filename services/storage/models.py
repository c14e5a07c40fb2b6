"""What an inventory asks for, and what it finds."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from core.blobs import BlobInfo, BlobRef, Prefix, Zone
from core.errors import BadInput

MB = 1024 * 1024


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Container(Frozen):
    """A container of a zone. Users write `bronze-rasters` or `bronze/rasters`."""

    zone: Zone
    name: str

    @classmethod
    def parse(cls, text: str) -> Container:
        zone, separator, name = text.replace("/", "-", 1).partition("-")
        if not separator or zone not in {z.value for z in Zone}:
            raise BadInput(
                f"{text!r} names no container; write zone-container, as in bronze-rasters ({', '.join(Zone)})"
            )
        BlobRef.of(Zone(zone), name, "x")  # says what is wrong with the name
        return cls(zone=Zone(zone), name=name)


class Filter(Frozen):
    """Which blobs count. Everything that is left out does not restrict."""

    prefix: Prefix = ""
    extensions: list[str] = []
    min_size_mb: float | None = Field(default=None, ge=0)
    max_size_mb: float | None = Field(default=None, ge=0)
    modified_after: datetime | None = None
    modified_before: datetime | None = None

    def takes(self, blob: BlobInfo) -> bool:
        wanted = {extension.lower().lstrip(".") for extension in self.extensions}
        return (
            (not wanted or extension_of(blob.ref) in wanted)
            and (self.min_size_mb is None or blob.size >= self.min_size_mb * MB)
            and (self.max_size_mb is None or blob.size <= self.max_size_mb * MB)
            and (self.modified_after is None or blob.modified > self.modified_after)
            and (self.modified_before is None or blob.modified < self.modified_before)
        )


class Page(Frozen):
    """A part of a listing that one task reads."""

    after: str | None
    limit: int


class Share(Frozen):
    """How many blobs, and how many bytes, are of one kind."""

    count: int = 0
    bytes: int = 0

    def __add__(self, other: Share) -> Share:
        return Share(count=self.count + other.count, bytes=self.bytes + other.bytes)


class Summary(Frozen):
    """Counts and bytes of many blobs, by what they are."""

    total: Share = Share()
    by_extension: dict[str, Share] = {}
    by_prefix: dict[str, Share] = {}
    by_age: dict[str, Share] = {}
    largest: BlobInfo | None = None
    oldest: datetime | None = None
    newest: datetime | None = None


class Listing(Frozen):
    """Where the whole list of a container was written, a JSON object per line."""

    container: str
    count: int
    bytes: int
    blob: BlobRef


def extension_of(ref: BlobRef) -> str:
    """The last extension in lower case without its dot; empty when there is none."""
    name = ref.name.lstrip(".")
    return name.rpartition(".")[2].lower() if "." in name else ""
