"""Which rasters a job is about: found, each once, and named."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from os.path import commonpath
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.blobs import BlobInfo, BlobRef, Blobs, is_there
from core.errors import BadInput
from services.raster.models import Frozen
from services.raster.processing import id_of
from services.storage.models import Filter

EXTENSIONS = ["tif", "tiff", "jp2"]
AT_ONCE = 10
TOLD = 50


class Sources(BaseModel):
    """Parameters that name rasters: a list, or all below a prefix."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    sources: Annotated[list[BlobRef], Field(max_length=10_000)] = []
    """The rasters, each as `zone/container/path`; one that is named twice counts once."""
    source_prefix: BlobRef | None = None
    """Instead of a list: all rasters below `zone/container/prefix`."""
    extensions: list[str] = EXTENSIONS
    """Of the files below the prefix."""

    @model_validator(mode="after")
    def one_of_both(self) -> Self:
        if bool(self.sources) == (self.source_prefix is not None):
            raise ValueError("name the rasters by sources or by source_prefix, one of both")
        return self


class Named(Frozen):
    """A raster, and the id that its item gets."""

    source: BlobRef
    item_id: str


def find(blobs: Blobs, given: Sources) -> list[BlobRef]:
    """Each raster once, in the order given. All that are missing are told at once."""
    if given.source_prefix is None:
        return _there(blobs, list(dict.fromkeys(given.sources)))
    found = list(_below(blobs, given.source_prefix, given.extensions))
    if not found:
        told = ", ".join(given.extensions)
        raise BadInput(f"there is no raster ({told}) below {given.source_prefix}")
    return found


def duplicates(given: Sources) -> int:
    """How often a raster was named again."""
    return len(given.sources) - len(set(given.sources))


def named(sources: Sequence[BlobRef], folder: str, item_prefix: str = "") -> list[Named]:
    """Ids made of the paths below `folder`. Where two would be equal, part of a hash tells them apart."""
    ids = [f"{item_prefix}{id_of(ref.path.removeprefix(folder))}"[:119] for ref in sources]
    counts = Counter(ids)
    return [
        Named(source=ref, item_id=name if counts[name] == 1 else f"{name}-{_short_hash(ref)}")
        for ref, name in zip(sources, ids, strict=True)
    ]


def shared_folder(sources: Sequence[BlobRef]) -> str:
    """The folder that all of them lie in, with its slash; empty where that is the container."""
    shared = commonpath([folder_of(ref.path) for ref in sources])
    return f"{shared}/" if shared else ""


def folder_of(path: str) -> str:
    return path[: path.rfind("/") + 1]


def _there(blobs: Blobs, wanted: list[BlobRef]) -> list[BlobRef]:
    with ThreadPoolExecutor(AT_ONCE, "look-up") as threads:
        found = list(threads.map(lambda ref: is_there(blobs, ref), wanted))
    missing = [ref for ref, there in zip(wanted, found, strict=True) if not there]
    if missing:
        more = f" and {len(missing) - TOLD} more" if len(missing) > TOLD else ""
        raise BadInput(
            f"{len(missing)} of {len(wanted)} rasters are not there: {', '.join(missing[:TOLD])}{more}; "
            "upload them, or leave them out"
        )
    return wanted


def _below(blobs: Blobs, prefix: BlobRef, extensions: list[str]) -> Iterator[BlobRef]:
    chosen = Filter(extensions=extensions)
    return (blob.ref for blob in _listed(blobs, prefix) if chosen.takes(blob))


def _listed(blobs: Blobs, prefix: BlobRef) -> Iterator[BlobInfo]:
    after: str | None = None
    while True:
        page = blobs.list(prefix.zone, prefix.container, prefix.path, after)
        yield from page.blobs
        after = page.next
        if after is None:
            return


def _short_hash(ref: BlobRef) -> str:
    return hashlib.sha256(ref.encode()).hexdigest()[:8]
