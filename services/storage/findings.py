"""What an inventory finds: a look at each blob, groups of them, and the whole told in short."""

from __future__ import annotations

from typing import Literal

from pydantic import JsonValue

from core.blobs import BlobInfo, BlobRef
from services.storage.headers import TiffHead
from services.storage.kinds import Category
from services.storage.models import Frozen, Share

Analysis = Literal["basic", "geospatial"]
Grouping = Literal["auto", "folder", "prefix", "manifest", "all_singles", "all_collection"]


class Part(Frozen):
    """What one task looks at: the first `take` blobs that fit of a page of the listing."""

    after: str | None
    size: int
    take: int


class Look(Frozen):
    """What one blob is."""

    ref: BlobRef
    size: int
    category: Category
    format: str | None = None
    tiff: TiffHead | None = None
    lists: list[str] = []
    """The files that a manifest names."""
    problem: str | None = None

    @classmethod
    def at(cls, info: BlobInfo, category: Category, format: str | None) -> Look:
        return cls(ref=info.ref, size=info.size, category=category, format=format)


class Dataset(Frozen):
    """A blob, or all blobs of a Zarr store, with what belongs to it."""

    name: str
    """The path of the blob, or of the store."""
    category: Category
    format: str | None
    parts: list[Look]
    attached: list[Look] = []
    problems: list[str] = []

    @property
    def bytes(self) -> int:
        return sum(look.size for look in (*self.parts, *self.attached))


class Group(Frozen):
    """Blobs to be handled by one job, which is named with parameters that are ready to submit."""

    name: str
    kind: Literal["collection", "single"]
    rule: str
    """Why they belong together: manifest, folder, prefix, all, single."""
    category: Category
    format: str | None
    members: list[str]
    """The blobs, or the store, by their path."""
    attached: list[str]
    bytes: int
    vendor: str | None = None
    problems: list[str] = []
    job: str | None = None
    parameters: dict[str, JsonValue] = {}


class GroupLine(Frozen):
    """A group in short; the report has all of it."""

    name: str
    kind: str
    rule: str
    format: str | None
    count: int
    bytes: int
    vendor: str | None
    job: str | None
    problems: int


class Inventory(Frozen):
    """What lies in a container, and what could be made of it."""

    container_name: str
    prefix_scanned: str
    suffix_filter: str
    analysis_mode: Analysis
    grouping_mode: Grouping
    total: Share
    by_category: dict[str, Share]
    by_format: dict[str, Share]
    by_extension: dict[str, Share]
    collections: int
    singles: int
    groups: list[GroupLine]
    """The first of them; the report has all."""
    problems: int
    unrecognized: int
    seen_twice: int
    """How many blobs storage listed more than once; each counts once."""
    report: BlobRef
