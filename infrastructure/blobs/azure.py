"""Blobs in Azure Storage, or in Azurite: the same SDK either way."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import tempfile
from collections.abc import Collection, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BufferedRandom
from pathlib import Path, PurePosixPath
from typing import IO, Any

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobPrefix, BlobProperties, BlobSasPermissions

from core.blobs import STAGED, BlobInfo, BlobPage, BlobRef, Folder, Zone, refuse_page, staged_name
from core.errors import BadInput, BlobNotFound, ServiceUnavailable
from infrastructure.blobs.clients import PIECE, Account, Clients, code_of, reported, status_of
from infrastructure.blobs.pieces import Pieces
from infrastructure.blobs.promotion import PROMOTED, Promotion, mark
from infrastructure.blobs.properties import condition, found, info_of, is_whole, mark_of
from infrastructure.blobs.upload import Upload

log = logging.getLogger(__name__)

LARGEST_PAGE = 5000
PARALLEL_READS = 4


@dataclass(frozen=True)
class Piece:
    """A range of a blob, and what its reading told about the whole."""

    data: bytes
    total: int = 0
    etag: str | None = None


class AzureBlobs:
    """The `Blobs` port on Azure Storage. Container `images` of zone bronze is called `bronze-images` there.

    Zones may share an account or have one each. Containers are made when first written to. `scratch` is
    where `local` puts its files.
    """

    def __init__(
        self,
        accounts: Mapping[Zone, Account | str] | Account | str,
        *,
        scratch: Path | None = None,
        retries: int = 3,
    ) -> None:
        self._clients = Clients(accounts, retries)
        self._scratch = scratch

    def close(self) -> None:
        self._clients.close()

    def read(
        self, ref: BlobRef, start: int = 0, length: int | None = None, *, etag: str | None = None
    ) -> bytes:
        """Up to `length` bytes from `start`; like a file, nothing past the end."""
        if start < 0 or (length is not None and length < 0):
            raise BadInput(f"Cannot read {length} bytes from {start}: count bytes from 0")
        if length == 0:
            self.info(ref)
            return b""
        first = self._piece(ref, start, PIECE if length is None else min(length, PIECE), etag)
        end = first.total if length is None else min(first.total, start + length)
        spans = _spans(start + len(first.data), end)
        rest = [self._piece(ref, at, size, first.etag).data for at, size in spans]
        return b"".join([first.data, *rest]) if rest else first.data

    def chunks(self, ref: BlobRef) -> Iterator[bytes]:
        info = self.info(ref)
        digest = hashlib.md5(usedforsecurity=False)
        for at, size in _spans(0, info.size):
            data = self._piece(ref, at, size, info.etag).data
            digest.update(data)
            yield data
        _check(info, digest.hexdigest())

    def info(self, ref: BlobRef) -> BlobInfo:
        with reported(ref):
            properties = found(self._clients.blob(ref))
        if properties is None or not is_whole(properties):
            raise BlobNotFound(f"There is no {ref}")
        return info_of(ref, properties)

    def write(
        self,
        ref: BlobRef,
        data: bytes | IO[bytes],
        *,
        content_type: str = "application/octet-stream",
        only_if_new: bool = False,
        if_etag: str | None = None,
    ) -> BlobInfo:
        when = condition(only_if_new, if_etag)
        client = self._clients.blob(ref)
        with reported(ref):
            return Upload(
                ref, client, content_type, when, lambda: self._create(ref.zone, ref.container)
            ).send(data)

    def staged(self, ref: BlobRef, token: str) -> BlobRef:
        return staged_name(ref, token)

    def promote(self, staged: BlobRef, final: BlobRef, *, only_if_new: bool = False) -> BlobInfo:
        """With `only_if_new`, a final blob of equal content will do."""
        if not staged.path.startswith(STAGED) or _place(staged) != _place(final):
            raise BadInput(f"{staged} is no staged blob of {_place(final)}; name it with staged()")
        clients = self._clients.blob(staged), self._clients.blob(final)
        with reported(final):
            return Promotion((staged, final), clients, only_if_new).run()

    def put_piece(self, ref: BlobRef, number: int, data: bytes) -> None:
        with reported(ref):
            self._pieces(ref).put(number, data)

    def pieces(self, ref: BlobRef) -> dict[int, int]:
        with reported(ref):
            return self._pieces(ref).kept()

    def commit_pieces(
        self, ref: BlobRef, count: int, *, content_type: str, md5: str | None = None
    ) -> BlobInfo:
        with reported(ref):
            self._pieces(ref).commit(count, content_type, md5)
        return self.info(ref)

    def drop_pieces(self, ref: BlobRef) -> None:
        with reported(ref):
            self._pieces(ref).drop()

    def published(self, ref: BlobRef, names: Collection[BlobRef]) -> BlobInfo | None:
        with reported(ref):
            properties = found(self._clients.blob(ref))
        if properties is None or mark_of(properties, PROMOTED) not in {
            mark(name) for name in names
        }:
            return None
        return info_of(ref, properties)

    def delete(self, ref: BlobRef, *, if_etag: str | None = None) -> bool:
        with reported(ref):
            try:
                self._clients.blob(ref).delete_blob(
                    delete_snapshots="include", **condition(if_etag=if_etag)
                )
            except ResourceNotFoundError:
                return False
        return True

    def containers(self, zone: Zone) -> list[str]:
        prefix = f"{zone}-"
        with reported(f"zone {zone}"):
            all_of_zone = self._clients.service(zone).list_containers(name_starts_with=prefix)
            return [container.name.removeprefix(prefix) for container in all_of_zone]

    def list(
        self,
        zone: Zone,
        container: str,
        prefix: str = "",
        after: str | None = None,
        limit: int = 1000,
    ) -> BlobPage:
        """Staged blobs and half-made copies are left out; a prefix that begins with _staged/ shows the staged."""
        refuse_page(prefix, after, limit)
        blobs, more = self._page(zone, container, prefix, after, limit)
        while more and not blobs:
            blobs, more = self._page(zone, container, prefix, more, limit)
        return BlobPage(blobs=blobs, next=more)

    def folder(
        self,
        zone: Zone,
        container: str,
        prefix: str = "",
        after: str | None = None,
        limit: int = 1000,
    ) -> Folder:
        """Storage groups by the slash itself, so a folder of a million blobs costs one line."""
        refuse_page(prefix, after, limit)
        with reported(f"container {container} in zone {zone}"):
            walked: Any = self._clients.container(zone, container).walk_blobs(
                name_starts_with=prefix,
                include=["copy"],
                delimiter="/",
                results_per_page=min(limit, LARGEST_PAGE),
            )
            pages = walked.by_page(after)
            items: list[Any] = [*next(pages, ())]
        groups = [item.name for item in items if isinstance(item, BlobPrefix)]
        single = [item for item in items if not isinstance(item, BlobPrefix)]
        return Folder(
            folders=[name for name in groups if name != STAGED],
            blobs=[blob for item in single if (blob := _listed(zone, container, prefix, item))],
            next=pages.continuation_token or None,
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
        if lasts <= timedelta(0):
            raise BadInput("A link must last some time")
        if write:
            self._create(ref.zone, ref.container)
        client = self._clients.blob(ref)
        may_replace = write and not only_if_new
        permission = BlobSasPermissions(read=not write, create=write, write=may_replace)
        with reported(ref):
            signature = self._clients.signer(ref.zone).sign(
                client.container_name,
                client.blob_name,
                permission,
                datetime.now(UTC) + lasts,
                "attachment" if to_save else None,
            )
        return f"{client.url.partition('?')[0]}?{signature}"

    @contextmanager
    def local(self, ref: BlobRef) -> Generator[Path, None, None]:
        info = self.info(ref)
        with ExitStack() as kept:
            with _room_for(ref):
                folder = tempfile.TemporaryDirectory(prefix="blob-", dir=self._scratch)
                file = Path(
                    kept.enter_context(folder), f"blob{PurePosixPath(ref.path).suffix[:32]}"
                )
                self._download(info, file)
            yield file

    def _download(self, info: BlobInfo, file: Path) -> None:
        with file.open("w+b") as out:

            def fetch(span: tuple[int, int]) -> None:
                start, size = span
                data = self._piece(info.ref, start, size, info.etag).data
                if os.pwrite(out.fileno(), data, start) != size:
                    raise OSError(errno.ENOSPC, "a short write")

            with ThreadPoolExecutor(PARALLEL_READS) as pool:
                for _ in pool.map(fetch, _spans(0, info.size)):
                    pass
            _check(info, _md5_of_file(out))

    def _piece(self, ref: BlobRef, start: int, length: int, etag: str | None = None) -> Piece:
        with reported(ref):
            try:
                answer = self._clients.blob(ref).download_blob(
                    offset=start, length=length, encoding=None, **condition(if_etag=etag)
                )
                data = answer.readall()
            except HttpResponseError as error:
                if status_of(error) == 416:
                    return Piece(b"")
                raise
        if not is_whole(answer.properties):
            raise BlobNotFound(f"There is no {ref}")
        total = int(str(answer.properties.content_range).rpartition("/")[2])
        if len(data) != min(length, total - start):
            raise ServiceUnavailable(f"Only {len(data)} bytes of {ref} arrived; read it again")
        return Piece(data, total, answer.properties.etag)

    def _pieces(self, ref: BlobRef) -> Pieces:
        return Pieces(self._clients.blob(ref), lambda: self._create(ref.zone, ref.container))

    def _create(self, zone: Zone, container: str) -> None:
        with reported(f"container {container} of zone {zone}"):
            try:
                self._clients.container(zone, container).create_container()
            except ResourceExistsError as error:
                if code_of(error) != "ContainerAlreadyExists":
                    raise

    def _page(
        self, zone: Zone, container: str, prefix: str, after: str | None, limit: int
    ) -> tuple[list[BlobInfo], str | None]:
        client = self._clients.container(zone, container)
        with reported(f"container {container} in zone {zone}"):
            pages: Any = client.list_blobs(
                name_starts_with=prefix, include=["copy"], results_per_page=min(limit, LARGEST_PAGE)
            ).by_page(after)
            items: list[BlobProperties] = [*next(pages, ())]
        blobs = [blob for item in items if (blob := _listed(zone, container, prefix, item))]
        return blobs, pages.continuation_token or None


def _spans(start: int, end: int) -> Iterator[tuple[int, int]]:
    return ((at, min(PIECE, end - at)) for at in range(start, end, PIECE))


@contextmanager
def _room_for(ref: BlobRef) -> Generator[None, None, None]:
    """A disk that is full or gone is this machine's trouble: another may do the work."""
    try:
        yield
    except OSError as error:
        raise ServiceUnavailable(
            f"The scratch disk did not take {ref}: {error.strerror}"
        ) from error


def _md5_of_file(file: BufferedRandom) -> str:
    return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _check(info: BlobInfo, md5: str) -> None:
    if info.md5 not in {None, md5}:
        raise ServiceUnavailable(f"{info.ref} arrived damaged; read it again")


def _place(ref: BlobRef) -> str:
    return f"{ref.zone}/{ref.container}"


def _listed(zone: Zone, container: str, prefix: str, item: BlobProperties) -> BlobInfo | None:
    if not is_whole(item) or (item.name.startswith(STAGED) and not prefix.startswith(STAGED)):
        return None
    try:
        ref = BlobRef.of(zone, container, item.name)
    except BadInput as error:
        log.warning("left a blob out of a listing: %s", error)
        return None
    return info_of(ref, item)
