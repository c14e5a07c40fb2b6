"""Blobs that live in this process's memory, for tests of jobs."""

from __future__ import annotations

import hashlib
import sys
import tempfile
import threading
from collections.abc import Collection, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import quote

from core.blobs import STAGED, BlobInfo, BlobPage, BlobRef, Folder, Zone, refuse_page, staged_name
from core.errors import BadInput, BlobChanged, BlobNotFound

PIECE = 1024 * 1024


@dataclass(frozen=True)
class Stored:
    """A blob's bytes, what is known about them, and the staged blob they came from."""

    data: bytes
    info: BlobInfo
    promoted: BlobRef | None = None


class MemoryBlobs:
    """The `Blobs` port in memory: same promises as Azure Storage, any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._blobs: dict[BlobRef, Stored] = {}
        self._pieces: dict[BlobRef, dict[int, bytes]] = {}
        self._containers: set[tuple[Zone, str]] = set()
        self._etags = count(1)

    def read(
        self, ref: BlobRef, start: int = 0, length: int | None = None, *, etag: str | None = None
    ) -> bytes:
        if start < 0 or (length is not None and length < 0):
            raise BadInput(f"Cannot read {length} bytes from {start}: count bytes from 0")
        stored = self._stored(ref)
        if etag not in {None, stored.info.etag}:
            raise BlobChanged(f"{ref} was changed meanwhile; read it again")
        return stored.data[start : None if length is None else start + length]

    def chunks(self, ref: BlobRef) -> Iterator[bytes]:
        data = self._stored(ref).data
        for at in range(0, len(data), PIECE):
            yield data[at : at + PIECE]

    def info(self, ref: BlobRef) -> BlobInfo:
        return self._stored(ref).info

    def write(
        self,
        ref: BlobRef,
        data: bytes | IO[bytes],
        *,
        content_type: str = "application/octet-stream",
        only_if_new: bool = False,
        if_etag: str | None = None,
    ) -> BlobInfo:
        if only_if_new and if_etag is not None:
            raise BadInput("Ask either only_if_new or if_etag: a new blob has no etag yet")
        content = data if isinstance(data, bytes) else data.read()
        with self._lock:
            self._check(ref, only_if_new, if_etag)
            return self._keep(ref, content, content_type, _md5(content)).info

    def staged(self, ref: BlobRef, token: str) -> BlobRef:
        return staged_name(ref, token)

    def promote(self, staged: BlobRef, final: BlobRef, *, only_if_new: bool = False) -> BlobInfo:
        """With `only_if_new`, a final blob of equal content will do."""
        place = f"{final.zone}/{final.container}"
        if not staged.startswith(f"{place}/{STAGED}"):
            raise BadInput(f"{staged} is no staged blob of {place}; name it with staged()")
        with self._lock:
            source, target = self._blobs.get(staged), self._blobs.get(final)
            if source is None:
                return self._promoted_before(staged, target)
            if target is None or target.promoted != staged or target.data != source.data:
                if only_if_new and target is not None:
                    return _equal_or_lost(target, source)
                target = self._keep(
                    final, source.data, source.info.content_type, source.info.md5, staged
                )
            del self._blobs[staged]
            return target.info

    def put_piece(self, ref: BlobRef, number: int, data: bytes) -> None:
        with self._lock:
            self._containers.add((ref.zone, ref.container))
            self._pieces.setdefault(ref, {})[number] = data

    def pieces(self, ref: BlobRef) -> dict[int, int]:
        with self._lock:
            return {n: len(piece) for n, piece in sorted(self._pieces.get(ref, {}).items())}

    def commit_pieces(
        self, ref: BlobRef, count: int, *, content_type: str, md5: str | None = None
    ) -> BlobInfo:
        with self._lock:
            kept = self._pieces.get(ref, {})
            if not all(number in kept for number in range(count)):
                raise BlobChanged(f"Pieces of {ref} are missing; look which are there")
            data = b"".join(kept[number] for number in range(count))
            self._pieces.pop(ref, None)
            return self._keep(ref, data, content_type, md5).info

    def drop_pieces(self, ref: BlobRef) -> None:
        with self._lock:
            self._pieces.pop(ref, None)
            self._blobs.pop(ref, None)

    def published(self, ref: BlobRef, names: Collection[BlobRef]) -> BlobInfo | None:
        with self._lock:
            stored = self._blobs.get(ref)
            return stored.info if stored is not None and stored.promoted in names else None

    def delete(self, ref: BlobRef, *, if_etag: str | None = None) -> bool:
        with self._lock:
            if ref not in self._blobs:
                return False
            self._check(ref, False, if_etag)
            del self._blobs[ref]
            return True

    def containers(self, zone: Zone) -> list[str]:
        with self._lock:
            return sorted(container for of, container in self._containers if of == zone)

    def list(
        self,
        zone: Zone,
        container: str,
        prefix: str = "",
        after: str | None = None,
        limit: int = 1000,
    ) -> BlobPage:
        """Staged blobs are left out; a prefix that begins with _staged/ shows them."""
        refuse_page(prefix, after, limit)
        with self._lock:
            if (zone, container) not in self._containers:
                raise BlobNotFound(f"There is no container {container} in zone {zone}")
            listed = [
                s.info for s in self._blobs.values() if _is_listed(s, zone, container, prefix)
            ]
        ordered = sorted((i for i in listed if after is None or i.ref.path > after), key=_path)
        page = ordered[:limit]
        return BlobPage(blobs=page, next=page[-1].ref.path if len(ordered) > limit else None)

    def folder(
        self,
        zone: Zone,
        container: str,
        prefix: str = "",
        after: str | None = None,
        limit: int = 1000,
    ) -> Folder:
        """Staged blobs are left out, as in `list`."""
        refuse_page(prefix, after, limit)
        listed = self.list(zone, container, prefix, None, sys.maxsize).blobs
        entries: dict[str, BlobInfo | None] = {}
        for info in listed:
            inside, slash, _ = info.ref.path[len(prefix) :].partition("/")
            entries.setdefault(prefix + inside + slash, None if slash else info)
        names = [name for name in sorted(entries) if after is None or name > after]
        page = names[:limit]
        return Folder(
            folders=[name for name in page if entries[name] is None],
            blobs=[info for name in page if (info := entries[name]) is not None],
            next=page[-1] if len(names) > limit else None,
        )

    def link(
        self,
        ref: BlobRef,
        lasts: timedelta,
        *,
        write: bool = False,
        only_if_new: bool = False,
        to_save: bool = False,
    ) -> str:
        """An address of the right shape; nothing answers there."""
        if lasts <= timedelta(0):
            raise BadInput("A link must last some time")
        until = datetime.now(UTC) + lasts
        may = ("create" if only_if_new else "write") if write else "save" if to_save else "read"
        return f"memory:///{quote(ref)}?may={may}&until={until:%Y-%m-%dT%H:%M:%SZ}"

    @contextmanager
    def local(self, ref: BlobRef) -> Generator[Path, None, None]:
        data = self.read(ref)
        with tempfile.TemporaryDirectory(prefix="blob-") as folder:
            file = Path(folder, f"blob{PurePosixPath(ref.path).suffix[:32]}")
            file.write_bytes(data)
            yield file

    def _stored(self, ref: BlobRef) -> Stored:
        with self._lock:
            try:
                return self._blobs[ref]
            except KeyError:
                raise BlobNotFound(f"There is no {ref}") from None

    def _check(self, ref: BlobRef, only_if_new: bool, if_etag: str | None) -> None:
        found = self._blobs.get(ref)
        seen = found.info.etag if found else None
        if (only_if_new and found) or (if_etag is not None and if_etag.strip('"') != seen):
            raise BlobChanged(f"Another writer was faster with {ref}; read it again")

    def _keep(
        self,
        ref: BlobRef,
        data: bytes,
        content_type: str,
        md5: str | None,
        promoted: BlobRef | None = None,
    ) -> Stored:
        info = BlobInfo(
            ref=ref,
            size=len(data),
            etag=f"0x{next(self._etags):X}",
            modified=datetime.now(UTC),
            content_type=content_type,
            md5=md5,
        )
        self._containers.add((ref.zone, ref.container))
        self._blobs[ref] = Stored(data, info, promoted)
        return self._blobs[ref]

    def _promoted_before(self, staged: BlobRef, target: Stored | None) -> BlobInfo:
        if target is None:
            raise BlobNotFound(f"There is no {staged}")
        if target.promoted != staged:
            raise BlobChanged(f"{staged} is gone and {target.info.ref} is another writer's")
        return target.info


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _equal_or_lost(target: Stored, source: Stored) -> BlobInfo:
    # The staged twin stays for the sweeper: asking again must give the same answer.
    if target.data == source.data:
        return target.info
    raise BlobChanged(f"{target.info.ref} is another writer's; keep it, or write another name")


def _is_listed(stored: Stored, zone: Zone, container: str, prefix: str) -> bool:
    ref = stored.info.ref
    hidden = ref.path.startswith(STAGED) and not prefix.startswith(STAGED)
    return (
        (ref.zone, ref.container) == (zone, container)
        and ref.path.startswith(prefix)
        and not hidden
    )


def _path(info: BlobInfo) -> str:
    return info.ref.path
