"""Give a staged blob its final name by a copy inside the account.

Copy Blob, not Put Blob From URL: within one account it takes a blob of any size and needs no signature for
the source. It may finish later, so a blob that is being copied is waited for here and hidden elsewhere.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from datetime import timedelta

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobClient, BlobProperties

from core.blobs import BlobInfo, BlobRef
from core.crashpoints import crashpoint
from core.errors import BlobChanged, BlobNotFound, ServiceUnavailable
from infrastructure.blobs.clients import lost_race
from infrastructure.blobs.properties import condition, found, info_of, is_whole, mark_of, md5_of

PROMOTED = "promoted"  # metadata of a final blob: a digest of the staged name it came from
PATIENCE = timedelta(minutes=10)
ASK_AGAIN = timedelta(milliseconds=200)


def mark(staged: BlobRef) -> str:
    """What a final blob says about where it came from."""
    return hashlib.sha256(staged.encode()).hexdigest()


class Promotion:
    """One staged blob on its way to its final name. Safe to repeat after a crash anywhere."""

    def __init__(
        self,
        names: tuple[BlobRef, BlobRef],
        clients: tuple[BlobClient, BlobClient],
        only_if_new: bool,
    ) -> None:
        self._staged, self._final = names
        self._from, self._to = clients
        self._only_if_new = only_if_new
        self._mark = mark(self._staged)

    def run(self) -> BlobInfo:
        source, target = found(self._from), self._settled()
        if source is None:
            return self._done_before(target)
        if not self._is_ours(target, source) and not self._is_taken(target):
            crashpoint("blob.staged")
            self._copy(source, target)
            target = self._settled()
            crashpoint("blob.copied")
        if target is not None and self._is_ours(target, source):
            self._drop_staged()
            return info_of(self._final, target)
        return self._settle_for(target, source)

    def _done_before(self, target: BlobProperties | None) -> BlobInfo:
        if target is None:
            raise BlobNotFound(f"There is no {self._staged}")
        if mark_of(target, PROMOTED) != self._mark:
            raise BlobChanged(f"{self._staged} is gone and {self._final} is another writer's")
        return info_of(self._final, target)

    def _is_ours(self, target: BlobProperties | None, source: BlobProperties) -> bool:
        return (
            target is not None
            and mark_of(target, PROMOTED) == self._mark
            and is_whole(target)
            and _is_equal(target, source)
        )

    def _is_taken(self, target: BlobProperties | None) -> bool:
        return self._only_if_new and target is not None and is_whole(target)

    def _copy(self, source: BlobProperties, target: BlobProperties | None) -> None:
        # What only_if_new may replace is the remains of a copy that failed.
        remains = str(target.etag) if self._only_if_new and target is not None else None
        try:
            self._to.start_copy_from_url(
                self._from.url,
                metadata={PROMOTED: self._mark},
                source_etag=source.etag,
                source_match_condition=MatchConditions.IfNotModified,
                **condition(self._only_if_new and target is None, remains),
            )
        except HttpResponseError as error:
            # Lost to another writer, or to our own first try whose answer got lost: the target tells.
            if not lost_race(error):
                raise

    def _settled(self) -> BlobProperties | None:
        deadline = time.monotonic() + PATIENCE.total_seconds()
        while (target := found(self._to)) and target.copy.status == "pending":
            if time.monotonic() > deadline:
                raise ServiceUnavailable(f"The copy to {self._final} still runs; promote it again")
            time.sleep(ASK_AGAIN.total_seconds())
        return target

    def _drop_staged(self) -> None:
        with suppress(ResourceNotFoundError):  # our own first try may have done it
            self._from.delete_blob()

    def _settle_for(self, target: BlobProperties | None, source: BlobProperties) -> BlobInfo:
        if target is not None and self._is_taken(target):
            return self._equal_or_lost(target, source)
        if target is None or mark_of(target, PROMOTED) == self._mark:
            raise ServiceUnavailable(f"The copy to {self._final} failed; promote it again")
        raise BlobChanged(f"Another writer was faster with {self._final}; read it again")

    def _equal_or_lost(self, target: BlobProperties, source: BlobProperties) -> BlobInfo:
        # The staged twin stays for the sweeper: asking again must give the same answer.
        if md5_of(source) and _is_equal(target, source):
            return info_of(self._final, target)
        raise BlobChanged(f"{self._final} is another writer's; keep it, or write another name")


def _is_equal(target: BlobProperties, source: BlobProperties) -> bool:
    return target.size == source.size and md5_of(target) == md5_of(source)
