"""Blobs: how every record names one, and what the machine needs from the storage that holds them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated, Any, Protocol
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from core.errors import BadInput, BlobNotFound

CONTAINER = re.compile(r"[a-z0-9](?:-?[a-z0-9])*")
UNNAMEABLE = re.compile(r"[\x00-\x1f\ud800-\udfff\ufffe\uffff]")
"""What storage cannot write into a listing: asked for it, it fails instead of saying so."""
STAGED = "_staged/"
LONGEST_SOURCE = 1500
"""Storage copies from a URL of 2 KiB at most, so a staged name must stay well below when it is quoted."""


def nameable(text: str) -> str:
    """The text, if the name of a blob may hold it."""
    if found := UNNAMEABLE.search(text):
        raise BadInput(f"{text!r} holds {found[0]!r}, which no name of a blob may hold")
    return text


def _prefix(text: str) -> str:
    try:
        return nameable(text)
    except BadInput as error:
        raise ValueError(str(error)) from None


Prefix = Annotated[str, AfterValidator(_prefix)]
"""How names of blobs begin."""


class Zone(StrEnum):
    """What a blob is for: raw in, processed, exports, cleared for outside."""

    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"
    EXTERNAL = "external"


class BlobRef(str):
    """`zone/container/path`: the one form in which every record names a blob."""

    __slots__ = ()

    def __new__(cls, value: str) -> BlobRef:
        zone, _, rest = value.partition("/")
        container, _, path = rest.partition("/")
        if zone not in {z.value for z in Zone}:
            raise BadInput(
                f"{value!r} names no zone; write bronze/container/path (zones: {', '.join(Zone)})"
            )
        if not CONTAINER.fullmatch(container) or not 3 <= len(f"{zone}-{container}") <= 63:
            raise BadInput(
                f"{container!r} is no container name: lower case letters, digits, single hyphens"
            )
        if not path or len(path) > 1024 or path.startswith("/") or "\\" in path:
            raise BadInput(f"{value!r} names no blob inside {zone}/{container}")
        if any(part in {".", ".."} for part in path.split("/")):
            raise BadInput(f"{value!r} climbs out of its container")
        nameable(path)
        return super().__new__(cls, value)

    @property
    def zone(self) -> Zone:
        return Zone(self.split("/", 1)[0])

    @property
    def container(self) -> str:
        return self.split("/", 2)[1]

    @property
    def path(self) -> str:
        return self.split("/", 2)[2]

    @property
    def name(self) -> str:
        return self.rsplit("/", 1)[-1]

    @classmethod
    def of(cls, zone: Zone, container: str, path: str) -> BlobRef:
        return cls(f"{zone}/{container}/{path}")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def parse(value: str) -> BlobRef:
            try:
                return cls(value)
            except BadInput as error:
                raise ValueError(str(error)) from None

        return core_schema.no_info_after_validator_function(parse, core_schema.str_schema())


def staged_name(ref: BlobRef, token: str) -> BlobRef:
    """The temporary name for what a writer holding `token` makes of `ref`, in the same container."""
    path = f"{STAGED}{token}/{ref.path}"
    if len(path) > 1024 or len(quote(path)) > LONGEST_SOURCE:
        path = f"{STAGED}{token}/{hashlib.sha256(ref.encode()).hexdigest()}"
    return BlobRef.of(ref.zone, ref.container, path)


def refuse_page(prefix: str, after: str | None, limit: int) -> None:
    """Refuse what no page of a listing can answer, before storage is asked."""
    if limit < 1:
        raise BadInput(f"A page of {limit} names holds nothing; ask for at least 1")
    nameable(prefix + (after or ""))


class BlobInfo(BaseModel):
    """What storage says about a blob without reading it."""

    model_config = ConfigDict(frozen=True)

    ref: BlobRef
    size: int
    etag: str
    modified: datetime
    content_type: str = "application/octet-stream"
    md5: str | None = None


class BlobPage(BaseModel):
    """Part of a listing; `next` asks for the part that follows."""

    model_config = ConfigDict(frozen=True)

    blobs: list[BlobInfo]
    next: str | None = None


class Folder(BaseModel):
    """Part of what lies right under a prefix, by name. A page may be short of its limit; `next` tells whether more follow."""

    model_config = ConfigDict(frozen=True)

    folders: list[str]
    """Prefixes that end in a slash, each of which leads on."""
    blobs: list[BlobInfo]
    next: str | None = None


class Blobs(Protocol):
    """Object storage. `etag` arguments make a write conditional; a lost race raises BlobChanged."""

    def read(
        self, ref: BlobRef, start: int = 0, length: int | None = None, *, etag: str | None = None
    ) -> bytes:
        """Part of a blob; with `etag`, only of that state of it (else BlobChanged)."""
        ...

    def chunks(self, ref: BlobRef) -> Iterator[bytes]: ...
    def info(self, ref: BlobRef) -> BlobInfo: ...
    def write(
        self,
        ref: BlobRef,
        data: bytes | IO[bytes],
        *,
        content_type: str = "application/octet-stream",
        only_if_new: bool = False,
        if_etag: str | None = None,
    ) -> BlobInfo: ...
    def staged(self, ref: BlobRef, token: str) -> BlobRef:
        """The temporary name a writer holding `token` (its attempt) uses before `promote`."""
        ...

    def promote(self, staged: BlobRef, final: BlobRef, *, only_if_new: bool = False) -> BlobInfo:
        """Give a finished temporary blob its final name. A second promotion of the same blob is no error."""
        ...

    def published(self, ref: BlobRef, names: Collection[BlobRef]) -> BlobInfo | None:
        """The blob's facts, if it was promoted from one of these temporary names."""
        ...

    def put_piece(self, ref: BlobRef, number: int, data: bytes) -> None:
        """Keep one piece of a blob to come. The same number again replaces it; the order does not matter."""
        ...

    def pieces(self, ref: BlobRef) -> dict[int, int]:
        """The numbers of the pieces that are kept, each with its bytes. Those of no one's blob are kept for days."""
        ...

    def commit_pieces(
        self, ref: BlobRef, count: int, *, content_type: str, md5: str | None = None
    ) -> BlobInfo:
        """Make the blob of pieces 0 to `count` - 1, and label it; a missing piece raises BlobChanged."""
        ...

    def drop_pieces(self, ref: BlobRef) -> None:
        """Forget the pieces, and the blob if it was made of them."""
        ...

    def delete(self, ref: BlobRef, *, if_etag: str | None = None) -> bool: ...
    def containers(self, zone: Zone) -> list[str]: ...
    def list(
        self,
        zone: Zone,
        container: str,
        prefix: str = "",
        after: str | None = None,
        limit: int = 1000,
    ) -> BlobPage: ...
    def folder(
        self,
        zone: Zone,
        container: str,
        prefix: str = "",
        after: str | None = None,
        limit: int = 1000,
    ) -> Folder:
        """Like `list`, but what has a further slash in its name is told as the folder up to there."""
        ...

    def link(
        self,
        ref: BlobRef,
        lasts: timedelta,
        *,
        write: bool = False,
        only_if_new: bool = False,
        to_save: bool = False,
    ) -> str:
        """A signed URL that anyone may use for a while: to read, or to write.

        With `only_if_new` it replaces nothing; with `to_save` a browser saves the blob instead of showing it.
        """
        ...

    def local(self, ref: BlobRef) -> AbstractContextManager[Path]:
        """The blob as a file on local disk, for libraries that need one; removed afterwards."""
        ...


def is_there(blobs: Blobs, ref: BlobRef) -> bool:
    try:
        blobs.info(ref)
    except BlobNotFound:
        return False
    return True
