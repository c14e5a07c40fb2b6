"""Send a stream to one blob in blocks, with little memory and a certain outcome."""

from __future__ import annotations

import hashlib
import io
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import IO, Any

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobClient, ContentSettings

from core.blobs import BlobInfo, BlobRef
from infrastructure.blobs.clients import PIECE, code_of, lost_race
from infrastructure.blobs.properties import bare, found, mark_of

AT_ONCE = 3  # blocks in flight, so at most AT_ONCE + 1 in memory
WRITER = "writer"  # metadata: which call of ours wrote this


class Upload:
    """One write of one blob. `create` makes the container, should it be missing."""

    def __init__(
        self,
        ref: BlobRef,
        client: BlobClient,
        content_type: str,
        condition: dict[str, Any],
        create: Callable[[], None],
    ) -> None:
        self._ref = ref
        self._client = client
        self._content_type = content_type
        self._condition = condition
        self._create = create
        self._writer = uuid.uuid4().hex
        self._digest = hashlib.md5(usedforsecurity=False)
        self._size = 0

    def send(self, data: bytes | IO[bytes]) -> BlobInfo:
        source = io.BytesIO(data) if isinstance(data, bytes) else data
        blocks = self._blocks(source)
        first = next(blocks, b"")
        try:
            return self._info(
                self._whole(first) if len(first) < PIECE else self._list(first, blocks)
            )
        except HttpResponseError as error:
            return self._info(self._after_losing(error))

    def _blocks(self, source: IO[bytes]) -> Iterator[bytes]:
        while block := _full_block(source):
            self._digest.update(block)
            self._size += len(block)
            yield block

    def _whole(self, data: bytes) -> dict[str, Any]:
        return in_container(
            lambda: self._client.upload_blob(
                data, length=len(data), overwrite=True, **self._labels(), **self._condition
            ),
            self._create,
        )

    def _list(self, first: bytes, rest: Iterator[bytes]) -> dict[str, Any]:
        ids = [self._block_id(0)]
        in_container(lambda: self._client.stage_block(ids[0], first), self._create)
        pending: deque[Future[Any]] = deque()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for block in rest:
                ids.append(self._block_id(len(ids)))
                pending.append(pool.submit(self._client.stage_block, ids[-1], block))
                if len(pending) == AT_ONCE:
                    pending.popleft().result()
            for sent in pending:
                sent.result()
        blocks = [BlobBlock(block_id) for block_id in ids]
        return self._client.commit_block_list(blocks, **self._labels(), **self._condition)

    def _block_id(self, number: int) -> str:
        # The writer in the id keeps two writers of one name from mixing their blocks.
        return f"{self._writer}{number:06}"

    def _labels(self) -> dict[str, Any]:
        settings = ContentSettings(
            content_type=self._content_type, content_md5=bytearray(self._digest.digest())
        )
        return {"content_settings": settings, "metadata": {WRITER: self._writer}}

    def _after_losing(self, error: HttpResponseError) -> dict[str, Any]:
        """A condition also fails when our own first try succeeded and only its answer got lost."""
        if not lost_race(error):
            raise error
        landed = found(self._client)
        if landed is None or mark_of(landed, WRITER) != self._writer:
            raise error
        return {"etag": landed.etag, "last_modified": landed.last_modified}

    def _info(self, answer: dict[str, Any]) -> BlobInfo:
        modified: datetime = answer["last_modified"]
        return BlobInfo(
            ref=self._ref,
            size=self._size,
            etag=bare(answer["etag"]),
            modified=modified,
            content_type=self._content_type,
            md5=self._digest.hexdigest(),
        )


def in_container(
    request: Callable[[], dict[str, Any]], create: Callable[[], None]
) -> dict[str, Any]:
    """What a request answers; should its container be missing, it is made first."""
    try:
        return request()
    except ResourceNotFoundError as error:
        if code_of(error) != "ContainerNotFound":
            raise
    create()
    return request()


def _full_block(source: IO[bytes]) -> bytes:
    parts: list[bytes] = []
    missing = PIECE
    while missing and (part := source.read(missing)):
        parts.append(part)
        missing -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
