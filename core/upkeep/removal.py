"""Removal: deletes a job with everything its runs made, in steps that can be repeated after any crash."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic_core import from_json

from core.blobs import STAGED, BlobInfo, BlobRef, Zone, staged_name
from core.control.steering import Census, TaskTrace
from core.control.verbs import Verb, rule
from core.crashpoints import crashpoint
from core.errors import BadInput, BlobChanged, BlobNotFound
from core.machine import CoreMachine
from core.patience import persist
from core.tasks import Payload, TaskKey
from core.values import CONTAINER

log = logging.getLogger(__name__)

PAGE = 500
EVENTS = 5_000
SECONDS = 10.0
"""How long a request itself deletes; the reconciler goes on with the rest."""
A_MOMENT = 1.0
"""How long the reconciler deletes in one round: it has other things to repair."""
FEW = 10
NAMED = 1_000
FIRST = TaskKey(0, 0, -2)
MADE = "runs/{run}/"


@dataclass(slots=True)
class Removed:
    """What goes with a job, or has gone."""

    job_id: str
    census: Census
    blobs: int = 0
    bytes: int = 0
    names: list[BlobRef] = field(default_factory=list[BlobRef])
    """The blobs by name, as far as there are not too many."""
    gone: bool = False
    """Whether nothing is left of the job."""

    def count(self, blob: BlobInfo) -> None:
        self.blobs += 1
        self.bytes += blob.size
        if len(self.names) < NAMED:
            self.names.append(blob.ref)


class Removal:
    """A job is marked first: from then on nothing can be done to it, and whoever comes by goes on deleting."""

    def __init__(self, machine: CoreMachine) -> None:
        self.store = machine.store
        self.blobs = machine.blobs
        self.values = machine.values

    def preview(self, job_id: str, *, outputs: bool = True) -> Removed:
        """What deleting the job would remove, by the same look at its records."""
        self._check(job_id, None, outputs=outputs)
        found, looked = Removed(job_id, self.store.census(job_id)), set[tuple[int, str]]()
        for page in self._pages(job_id) if outputs else ():
            for blob in self._outputs(job_id, page, looked):
                found.count(blob)
        for blob in self._packed(job_id):
            found.count(blob)
        return found

    def delete(self, job_id: str, *, by: str, outputs: bool = True) -> Removed:
        """Delete the job, and what it has stored unless told otherwise. What takes too long is left to the
        reconciler; the answer says so."""
        self._check(job_id, by, outputs=outputs)
        log.info("job %s is being deleted by %s", job_id, by)
        crashpoint("delete.after_mark")
        return self._go_on(job_id, SECONDS, outputs)

    def repair(self) -> int:
        """Go on with deletions that somebody has begun; how many came to their end."""
        return sum(
            self._go_on(job_id, A_MOMENT, outputs).gone
            for job_id, outputs in self.store.deleting(FEW)
        )

    def _check(self, job_id: str, by: str | None, *, outputs: bool) -> None:
        """Whether it may be deleted; by whom it now is, unless nobody asked for that yet."""

        def once() -> None:
            with self.store.job_turn(job_id) as job:
                if not job.deleting:
                    rule(Verb.DELETE, job_id, job.current.run.status)
                    if by is not None:
                        job.mark_deleting(by, outputs=outputs)

        persist(once, tries=4)

    def _go_on(self, job_id: str, seconds: float, outputs: bool) -> Removed:
        removed, end = Removed(job_id, self.store.census(job_id)), time.monotonic() + seconds
        looked: set[tuple[int, str]] = set()
        for page in self._pages(job_id):
            if outputs:
                self._drop(self._outputs(job_id, page, looked), removed)
            crashpoint("delete.after_blobs")
            self.store.forget_tasks(job_id, [trace.key for trace in page])
            crashpoint("delete.between_chunks")
            if time.monotonic() > end:
                return removed
        self._drop(self._packed(job_id), removed)
        while self.store.forget_events(job_id, EVENTS) == EVENTS:
            crashpoint("delete.between_chunks")
        removed.gone = self.store.forget_job(job_id)
        return removed

    def _pages(self, job_id: str) -> Iterator[list[TaskTrace]]:
        after = FIRST
        while page := self.store.traces(job_id, after, PAGE):
            yield page
            after = page[-1].key

    def _drop(self, blobs: Iterable[BlobInfo], removed: Removed) -> None:
        for blob in blobs:
            with suppress(BlobChanged):  # somebody else's by now
                if self.blobs.delete(blob.ref, if_etag=blob.etag):
                    removed.count(blob)

    # what the job's runs made

    def _outputs(
        self, job_id: str, page: Sequence[TaskTrace], looked: set[tuple[int, str]]
    ) -> Iterator[BlobInfo]:
        """Blobs that these tasks made, and what they left half done in the containers they name.

        A published blob says which attempt it came from; others bear the job's id. What is only named, like an
        input, is not touched.
        """
        seen: set[BlobRef] = set()
        for trace in page:
            for ref in self._named(trace.payloads):
                if ref not in seen and (blob := self._published(job_id, ref, trace)) is not None:
                    seen.add(ref)
                    yield blob
                place = (trace.key.run, f"{ref.zone}/{ref.container}")
                if place not in looked:
                    looked.add(place)
                    yield from self._listed(ref.zone, ref.container, f"{STAGED}{trace.key.run}-")

    def _published(self, job_id: str, ref: BlobRef, trace: TaskTrace) -> BlobInfo | None:
        if job_id in ref.path.split("/"):
            return self._info(ref)
        tokens = (f"{trace.key}-{attempt}" for attempt in range(1, trace.attempts + 1))
        return self.blobs.published(ref, [staged_name(ref, token) for token in tokens])

    def _info(self, ref: BlobRef) -> BlobInfo | None:
        try:
            return self.blobs.info(ref)
        except BlobNotFound:
            return None

    def _named(self, payloads: Sequence[Payload]) -> Iterator[BlobRef]:
        for payload in payloads:
            try:
                data = self.values.unpack(payload)
            except BlobNotFound:  # an earlier try has come this far
                continue
            yield from _refs(from_json(data))

    def _packed(self, job_id: str) -> Iterator[BlobInfo]:
        """Parameters, arguments and results that were too large for their rows, also of attempts that were lost."""
        for run, payloads in self.store.run_payloads(job_id):
            yield from self._listed(Zone.SILVER, CONTAINER, MADE.format(run=run))
            for ref in {BlobRef(p.ref) for p in payloads if p.ref is not None}:
                if not ref.path.startswith("runs/") and (blob := self._info(ref)) is not None:
                    yield blob

    def _listed(self, zone: Zone, container: str, prefix: str) -> Iterator[BlobInfo]:
        after: str | None = None
        with suppress(BlobNotFound):  # no container, no blobs
            while True:
                page = self.blobs.list(zone, container, prefix, after)
                yield from page.blobs
                if page.next is None:
                    return
                after = page.next


def _refs(value: Any) -> Iterator[BlobRef]:
    """Every name of a blob inside a JSON value."""
    match value:
        case str() if "/" in value:
            with suppress(BadInput):
                yield BlobRef(value)
        case list():
            for part in cast(list[Any], value):
                yield from _refs(part)
        case dict():
            for part in cast(dict[str, Any], value).values():
                yield from _refs(part)
        case _:
            return
