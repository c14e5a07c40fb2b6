"""Blobs: list them, send them in pieces that can be resumed, fetch them in ranges that can be resumed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO
from urllib.parse import quote

from coremachine_client.downloads import CHUNK, Download, refused_by_storage
from coremachine_client.errors import NoBlobName
from coremachine_client.models import Blob, Container, Costs, Link
from coremachine_client.transport import Transport
from coremachine_client.uploads import Sending

Moved = Callable[[int, int], object]
"""Is told how many bytes have moved, and how many there are."""


class Blobs:
    """What a client can do with blobs. They are named `zone/container/path`."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def put(
        self,
        source: str | Path | bytes | IO[bytes],
        ref: str,
        *,
        overwrite: bool = False,
        content_type: str | None = None,
        resume: str | None = None,
        began: Callable[[str], object] | None = None,
        progress: Moved | None = None,
    ) -> Blob:
        """Send a file, bytes or an open file as a blob. It shows once all of it has arrived and is what we sent.

        `began` is told the id of the upload; passed as `resume` later, in whichever process, only
        what is missing is sent.
        """
        sending = Sending(self.transport, source, progress or _quiet)
        with sending:
            if resume is None or not sending.resume(resume, ref):
                sending.begin(ref, overwrite=overwrite, content_type=content_type)
                if began is not None:
                    began(sending.upload_id)
            return sending.finish()

    def get(self, ref: str, target: str | Path, *, progress: Moved | None = None) -> Blob:
        """Fetch a blob into a file. What an earlier try left behind is not fetched again.

        The file has its name once all of it is there and is what the server has.
        """
        return Download(self.transport, self.info(ref), Path(target), progress or _quiet).run()

    def chunks(self, ref: str) -> Iterator[bytes]:
        """A blob's bytes as they come. A line that breaks raises; `get` would go on."""
        with self.transport.outside.stream("GET", self.link(ref).url) as answer:
            if not answer.is_success:
                raise refused_by_storage(answer.status_code, ref)
            yield from answer.iter_bytes(CHUNK)

    def read(self, ref: str) -> bytes:
        """A small blob's bytes."""
        return b"".join(self.chunks(ref))

    def info(self, ref: str) -> Blob:
        """The facts of one blob."""
        zone, container, path = parts(ref)
        return self.transport.get(Blob, f"/api/storage/{zone}/{container}/blob", path=path)

    def link(self, ref: str, *, write: bool = False, overwrite: bool = False) -> Link:
        """A link that reads the blob straight from storage for a while, or lets somebody `write` a new one."""
        zone, container, path = parts(ref)
        if write:
            body = {"ref": ref, "access": "write", "overwrite": overwrite}
            return self.transport.post(Link, "/api/storage/links", body, repeatable=True)
        where = f"/api/storage/blob/{zone}/{container}/{quote(path)}"
        return self.transport.get(Link, where, redirect=False)

    def ls(self, where: str, *, suffix: str | None = None, page_size: int = 500) -> Iterator[Blob]:
        """The blobs of `zone/container`, or those of it whose names begin with what follows."""
        zone, container, prefix = parts(where)
        found = self.transport.pages(
            f"/api/storage/{zone}/{container}/blobs",
            "blobs",
            prefix=prefix or None,
            suffix=suffix,
            limit=page_size,
        )
        return map(Blob.model_validate, found)

    def containers(self, zone: str | None = None) -> list[Container]:
        """The containers of a zone, or of all."""
        found = self.transport.pages("/api/storage/containers", "containers", zone=zone)
        return [Container.model_validate(each) for each in found]

    def costs(self) -> Costs:
        """What keeping the catalog's rasters costs a month, tier by tier."""
        return self.transport.get(Costs, "/api/storage/costs")


def parts(ref: str) -> tuple[str, str, str]:
    """Zone, container and path, quoted where they stand in an address."""
    zone, _, rest = ref.partition("/")
    container, _, path = rest.partition("/")
    if not zone or not container:
        raise NoBlobName(
            f"{ref!r} names no container; write zone/container/path, as bronze/dem/a.tif"
        )
    return quote(zone, safe=""), quote(container, safe=""), path


def _quiet(moved: int, size: int) -> None:
    """Nobody wants to know."""
