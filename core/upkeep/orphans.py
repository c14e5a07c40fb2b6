"""Orphans: temporary blobs whose writers are gone, and values of runs that nobody has any more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from core.blobs import STAGED, BlobInfo, Blobs, Zone
from core.errors import BlobChanged, BlobNotFound, CoreMachineError
from core.tasks import TaskKey
from core.upkeep.keeping import Steward, Swept
from core.values import CONTAINER

NAMED = 1_000
MADE = "runs/"
"""Where values too large for their rows lie, by run."""


@dataclass(slots=True)
class _Count:
    """Blobs, counted, and the first by name."""

    blobs: int = 0
    bytes: int = 0
    names: list[str] = field(default_factory=list[str])

    def add(self, blob: BlobInfo) -> None:
        self.blobs += 1
        self.bytes += blob.size
        if len(self.names) < NAMED:
            self.names.append(str(blob.ref))


class Orphans:
    """Finds and removes them."""

    def __init__(self, steward: Steward, blobs: Blobs, kept: timedelta) -> None:
        self.steward, self.blobs, self.kept = steward, blobs, kept

    def sweep(self, *, dry_run: bool) -> Swept:
        found, before = _Count(), self.steward.now() - self.kept
        for page in self._pages():
            for blob in self._forsaken([each for each in page if each.modified < before]):
                if dry_run or self._removed(blob):
                    found.add(blob)
        return Swept(dry_run=dry_run, blobs=found.blobs, bytes=found.bytes, names=found.names)

    def _removed(self, blob: BlobInfo) -> bool:
        with suppress(BlobChanged):  # somebody has written it again
            return self.blobs.delete(blob.ref, if_etag=blob.etag)
        return False

    def _forsaken(self, page: Sequence[BlobInfo]) -> Iterator[BlobInfo]:
        """A writer whose task is still worked on may yet come back for its blob."""
        staged = {blob.ref: key for blob in page if (key := _writer(blob)) is not None}
        runs = {blob.ref: run for blob in page if (run := _run(blob)) is not None}
        busy = self.steward.at_work(list(staged.values())) if staged else set[TaskKey]()
        known = self.steward.known_runs(list(runs.values())) if runs else set[int]()
        for blob in page:
            if blob.ref in staged and staged[blob.ref] not in busy:
                yield blob
            if blob.ref in runs and runs[blob.ref] not in known:
                yield blob

    def _pages(self) -> Iterator[list[BlobInfo]]:
        for zone in Zone:
            for container in self.blobs.containers(zone):
                yield from self._listed(zone, container, STAGED)
        yield from self._listed(Zone.SILVER, CONTAINER, MADE)

    def _listed(self, zone: Zone, container: str, prefix: str) -> Iterator[list[BlobInfo]]:
        after: str | None = None
        while True:
            try:
                page = self.blobs.list(zone, container, prefix, after)
            except BlobNotFound:  # no such container, or no longer
                return
            yield page.blobs
            if page.next is None:
                return
            after = page.next


def _writer(blob: BlobInfo) -> TaskKey | None:
    """The task in the name of a temporary blob; None for names that no task of ours has given."""
    if not blob.ref.path.startswith(STAGED):
        return None
    try:
        run, stage, rest = blob.ref.path.split("/")[1].split("-", 2)
        return TaskKey.parse(f"{run}-{stage}-{rest.rsplit('-', 1)[0]}")
    except (ValueError, CoreMachineError):
        return None


def _run(blob: BlobInfo) -> int | None:
    number = (
        blob.ref.path.removeprefix(MADE).split("/")[0] if blob.ref.path.startswith(MADE) else ""
    )
    return int(number) if number.isdigit() else None
