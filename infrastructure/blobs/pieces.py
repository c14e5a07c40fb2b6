"""A blob that comes in pieces: blocks that Azure keeps for a week under a name that has no blob yet."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobClient, ContentSettings

from infrastructure.blobs.upload import in_container


class Pieces:
    """The pieces of one blob. `create` makes the container, should it be missing."""

    def __init__(self, client: BlobClient, create: Callable[[], None]) -> None:
        self._client = client
        self._create = create

    def put(self, number: int, data: bytes) -> None:
        in_container(lambda: self._client.stage_block(_block_id(number), data), self._create)

    def kept(self) -> dict[int, int]:
        try:
            _, blocks = self._client.get_block_list("uncommitted")
        except ResourceNotFoundError:
            return {}
        return dict(sorted((int(str(block.id)), int(block.size)) for block in blocks))

    def commit(self, count: int, content_type: str, md5: str | None) -> None:
        digest = bytearray.fromhex(md5) if md5 else None
        labels = ContentSettings(content_type=content_type, content_md5=digest)
        blocks = [BlobBlock(_block_id(number)) for number in range(count)]
        in_container(
            lambda: self._client.commit_block_list(blocks, content_settings=labels), self._create
        )

    def drop(self) -> None:
        """Blocks cannot be deleted; a blob of none of them makes Azure forget them, and goes itself."""
        with suppress(ResourceNotFoundError):
            self._client.commit_block_list([])
            self._client.delete_blob()


def _block_id(number: int) -> str:
    return f"{number:06}"  # Azure wants all ids of a blob to be equally long
