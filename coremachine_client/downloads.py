"""Fetches a blob into a file, and goes on where an earlier try ended."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import httpx

from coremachine_client.errors import ClientError, DownloadDiffers, kind_of
from coremachine_client.models import Blob, Link
from coremachine_client.transport import Transport

CHUNK = 1024 * 1024


def refused_by_storage(status: int, ref: str) -> ClientError:
    """What storage itself said to a link."""
    said = f"Storage answered {status} to the link of {ref}"
    return kind_of(status)(said, status=status, code=f"storage_{status}")


class Download:
    """One blob on its way in. What has arrived lies beside the target, under a name that tells its version."""

    def __init__(
        self,
        transport: Transport,
        blob: Blob,
        target: Path,
        progress: Callable[[int, int], object],
    ) -> None:
        self.transport = transport
        self.blob = blob
        self.size = blob.size or 0
        self.target = target
        self.progress = progress
        version = hashlib.sha256(f"{blob.ref} {blob.etag}".encode()).hexdigest()[:12]
        self.part = target.with_name(f".{target.name}.{version}.part")

    def run(self) -> Blob:
        losses = 0
        self.part.touch()
        self.progress(self._there(), self.size)
        while (there := self._there()) < self.size:
            try:
                self._fetch(there)
            except httpx.TransportError as error:
                losses = 0 if self._there() > there else losses + 1
                if losses > self.transport.retries:
                    raise self.transport.unreachable(error) from error
                time.sleep(self.transport.pause(losses))
        self._check()
        self.part.replace(self.target)
        return self.blob

    def _there(self) -> int:
        return self.part.stat().st_size

    def _fetch(self, start: int) -> None:
        """Append what follows, as far as the line holds."""
        headers = {"Range": f"bytes={start}-", "If-Match": f'"{self.blob.etag}"'}
        with self.transport.outside.stream("GET", self._link().url, headers=headers) as answer:
            if answer.status_code == 412:
                raise self._differs("was changed meanwhile")
            if answer.status_code != 206:
                raise refused_by_storage(answer.status_code, self.blob.ref)
            with self.part.open("ab") as file:
                for chunk in answer.iter_bytes(CHUNK):
                    file.write(chunk)
                    self.progress(file.tell(), self.size)

    def _link(self) -> Link:
        zone, container, path = self.blob.ref.split("/", 2)
        where = f"/api/storage/blob/{zone}/{container}/{quote(path)}"
        return self.transport.get(Link, where, redirect=False)

    def _check(self) -> None:
        if self._there() != self.size:
            raise self._differs(f"has {self.size} bytes, and {self._there()} arrived")
        if self.blob.md5 and self._md5() != self.blob.md5.lower():
            raise self._differs("has another digest than what arrived")

    def _md5(self) -> str:
        with self.part.open("rb") as file:
            return hashlib.file_digest(file, "md5").hexdigest()

    def _differs(self, what: str) -> ClientError:
        self.part.unlink(missing_ok=True)
        return DownloadDiffers(f"{self.blob.ref} {what}; fetch it again")
