"""Sends a blob in pieces. Which of them have arrived, the server knows."""

from __future__ import annotations

import hashlib
import io
import os
from base64 import b64encode
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any
from urllib.parse import quote

from coremachine_client.errors import NotFound
from coremachine_client.models import Blob, UploadProgress
from coremachine_client.transport import Transport

UPLOADS = "/api/storage/uploads"


class Sending:
    """One blob on its way out."""

    def __init__(
        self,
        transport: Transport,
        source: str | Path | bytes | IO[bytes],
        progress: Callable[[int, int], object],
    ) -> None:
        self.transport = transport
        self.source = source
        self.progress = progress
        self._stack = ExitStack()

    def __enter__(self) -> Sending:
        match self.source:
            case bytes():
                self._file: IO[bytes] = io.BytesIO(self.source)
            case str() | Path():
                self._file = self._stack.enter_context(Path(self.source).open("rb"))
            case _:
                self._file = self.source
        self.size = self._file.seek(0, os.SEEK_END)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def upload_id(self) -> str:
        return self._upload.id

    def begin(self, ref: str, *, overwrite: bool, content_type: str | None) -> None:
        body: dict[str, Any] = {"ref": ref, "size": self.size, "overwrite": overwrite}
        if content_type is not None:
            body["content_type"] = content_type
        # Begun twice is forgotten once: an upload without pieces is nothing.
        self._upload = self.transport.post(UploadProgress, UPLOADS, body, repeatable=True)

    def resume(self, upload_id: str, ref: str) -> bool:
        """Whether that upload can go on: it is known, and of this blob."""
        try:
            found = self.transport.get(UploadProgress, _path(upload_id))
        except NotFound:
            return False
        self._upload = found
        return (found.ref, found.size) == (ref, self.size)

    def finish(self) -> Blob:
        """Send what is missing, and make the blob of it."""
        digest = self._send_pieces()
        path, body = f"{_path(self.upload_id)}/complete", {"sha256": digest}
        return self.transport.post(Blob, path, body, repeatable=True)

    def _send_pieces(self) -> str:
        """The digest of everything, for pieces that are there already may be those of another file."""
        upload, whole, there = self._upload, hashlib.sha256(), set(self._upload.there)
        self._file.seek(0)
        self.progress(0, self.size)
        for number in range(upload.count):
            piece = self._file.read(upload.piece_size)
            whole.update(piece)
            if number not in there:
                self._send(number, piece)
            self.progress(min((number + 1) * upload.piece_size, self.size), self.size)
        return whole.hexdigest()

    def _send(self, number: int, piece: bytes) -> None:
        md5 = hashlib.md5(piece, usedforsecurity=False).digest()
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-MD5": b64encode(md5).decode(),
        }
        path = f"{_path(self.upload_id)}/{number}"
        self.transport.send("PUT", path, content=piece, headers=headers)


def _path(upload_id: str) -> str:
    return f"{UPLOADS}/{quote(upload_id, safe='')}"
