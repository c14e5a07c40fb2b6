"""Uploads: what is sent is written under a staged name, checked, and only then given its own."""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Annotated
from uuid import uuid4

from pydantic import Field, ValidationError

from core.blobs import STAGED, BlobInfo, BlobRef, Blobs
from core.errors import (
    BadInput,
    BlobChanged,
    BlobExists,
    BlobNotFound,
    Conflict,
    ContentDiffers,
    UploadNotFound,
)
from services.storage.models import Frozen

PIECE = 8 * 1024 * 1024
UNTYPED = "application/octet-stream"
MOST_PIECES = 50_000  # what storage takes for one blob
TYPE = r"^[\w.+-]{1,100}/[\w.+-]{1,100}(; ?[\w.+-]+=[\w.+-]+)*$"
ID = re.compile(r"[A-Za-z0-9_-]{1,12000}")

ContentType = Annotated[str, Field(pattern=TYPE, max_length=255)]
Md5 = Annotated[str, Field(pattern="^[0-9a-fA-F]{32}$")]
Sha256 = Annotated[str, Field(pattern="^[0-9a-fA-F]{64}$")]


class Rules(Frozen):
    """What this installation takes: into which zones (or `zone-container`), and how much at most."""

    into: tuple[str, ...] = ("bronze",)
    largest: int = Field(default=5 * 1024**3, ge=0, le=PIECE * MOST_PIECES)

    def check(self, ref: BlobRef, size: int = 0) -> None:
        if not {ref.zone.value, f"{ref.zone}-{ref.container}"} & set(self.into):
            raise BadInput(
                f"{ref.zone}-{ref.container} takes no uploads; they go into {', '.join(self.into)}"
            )
        if ref.path.startswith(STAGED):
            raise BadInput(f"Names that begin with {STAGED} are kept for uploads under way")
        if size > self.largest:
            raise BadInput(f"An upload may hold {self.largest} bytes; {size} are too many")


class Promise(Frozen):
    """What the sender says the content is. What is left out is not checked."""

    size: int | None = Field(default=None, ge=0)
    md5: Md5 | None = None
    sha256: Sha256 | None = None

    def check(self, **arrived: int | str | None) -> None:
        """Compare with the facts that are given."""
        for name, found in arrived.items():
            told = getattr(self, name)
            wanted = told.lower() if isinstance(told, str) else told
            if wanted not in {None, found}:
                raise ContentDiffers(f"The {name} is {found}, not {wanted}; send the blob again")


class Upload(Frozen):
    """An upload in pieces. Its id tells all of it, so that no server has to remember it."""

    ref: BlobRef
    size: int = Field(ge=0, le=PIECE * MOST_PIECES)
    content_type: ContentType = UNTYPED
    overwrite: bool = False
    token: str = Field(default_factory=lambda: uuid4().hex, pattern="^[0-9a-f]{32}$")

    @property
    def id(self) -> str:
        return urlsafe_b64encode(self.model_dump_json().encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, upload_id: str) -> Upload:
        try:
            if ID.fullmatch(upload_id):
                return cls.model_validate_json(urlsafe_b64decode(upload_id + "=="))
        except (ValueError, ValidationError):
            pass
        raise UploadNotFound("That is no id of an upload; POST /api/storage/uploads gives one")

    @property
    def count(self) -> int:
        return -(-self.size // PIECE)

    def length(self, number: int) -> int:
        """How many bytes a piece has: all of them the same, but for the last."""
        if not 0 <= number < self.count:
            raise BadInput(f"This upload has pieces 0 to {self.count - 1}, and no {number}")
        return min(PIECE, self.size - number * PIECE)

    def staged(self, blobs: Blobs) -> BlobRef:
        return blobs.staged(self.ref, f"upload-{self.token}")

    def there(self, blobs: Blobs) -> list[int]:
        """The pieces that arrived whole."""
        kept = blobs.pieces(self.staged(blobs))
        return [n for n in range(self.count) if kept.get(n) == self.length(n)]


def refuse_existing(blobs: Blobs, ref: BlobRef, overwrite: bool) -> None:
    """Early, before anything is sent; the promotion makes sure."""
    if not overwrite and _info(blobs, ref) is not None:
        raise BlobExists(f"{ref} exists already; pass overwrite=true to replace it")


def store(
    blobs: Blobs,
    ref: BlobRef,
    data: IO[bytes],
    content_type: str,
    promise: Promise,
    *,
    overwrite: bool,
) -> BlobInfo:
    """Write a stream to a blob that shows only once all of it has arrived and is what was promised."""
    refuse_existing(blobs, ref, overwrite)
    staged = blobs.staged(ref, f"upload-{uuid4().hex}")
    arrived = blobs.write(staged, data, content_type=content_type)
    with _dropped_on(ContentDiffers, blobs, staged):
        promise.check(size=arrived.size, md5=arrived.md5)
    with _dropped_on(BlobChanged, blobs, staged):
        return blobs.promote(staged, ref, only_if_new=not overwrite)


def put(blobs: Blobs, upload: Upload, number: int, data: bytes, md5: str | None = None) -> None:
    """Keep one piece. It may come again, and in any order."""
    Promise(size=upload.length(number), md5=md5).check(size=len(data), md5=_md5(data))
    blobs.put_piece(upload.staged(blobs), number, data)


def complete(blobs: Blobs, upload: Upload, promise: Promise) -> BlobInfo:
    """Make the blob of its pieces. Safe to repeat after a crash anywhere, or when the answer got lost."""
    promise.check(size=upload.size)
    there = upload.there(blobs)  # looked at first, because a commit takes the pieces away
    committed = _info(blobs, upload.staged(blobs)) is not None
    if not committed and not there and (done := _done_before(blobs, upload)):
        return done
    try:
        if not committed:
            _commit(blobs, upload, there, promise.md5)
        return _publish(blobs, upload, promise)
    except (BlobNotFound, BlobChanged):
        # Another request for the same may have been faster with a step, or with all of them.
        if done := _done_before(blobs, upload):
            return done
        raise


def drop(blobs: Blobs, upload: Upload) -> None:
    blobs.drop_pieces(upload.staged(blobs))


def _commit(blobs: Blobs, upload: Upload, there: list[int], md5: str | None) -> None:
    missing = sorted(set(range(upload.count)) - set(there))
    if missing:
        few = ", ".join(map(str, missing[:10]))
        raise Conflict(f"{len(missing)} of {upload.count} pieces are missing, first {few}")
    blobs.commit_pieces(
        upload.staged(blobs), upload.count, content_type=upload.content_type, md5=md5
    )


def _publish(blobs: Blobs, upload: Upload, promise: Promise) -> BlobInfo:
    staged = upload.staged(blobs)
    with _dropped_on(ContentDiffers, blobs, staged):
        _check_content(blobs, staged, promise)
    with _dropped_on(BlobChanged, blobs, staged):
        return blobs.promote(staged, upload.ref, only_if_new=not upload.overwrite)


def _done_before(blobs: Blobs, upload: Upload) -> BlobInfo | None:
    """The blob, when this upload made it earlier. What still waits for its check is not promoted here."""
    staged = upload.staged(blobs)
    if _info(blobs, staged) is not None:
        return None
    try:
        return blobs.promote(staged, upload.ref, only_if_new=not upload.overwrite)
    except (BlobNotFound, BlobChanged):
        return None


def _check_content(blobs: Blobs, ref: BlobRef, promise: Promise) -> None:
    """Also what an earlier try, cut short before its check, had labelled the blob with."""
    labelled = promise.model_copy(update={"md5": promise.md5 or blobs.info(ref).md5})
    if labelled.md5 is None and labelled.sha256 is None:
        return
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    for chunk in _whole(blobs, ref):
        md5.update(chunk)
        sha256.update(chunk)
    labelled.check(md5=md5.hexdigest(), sha256=sha256.hexdigest())


def _whole(blobs: Blobs, ref: BlobRef) -> Iterator[bytes]:
    """All of a blob by ranges: reading it in chunks would hold it to the md5 that is only claimed yet."""
    info = blobs.info(ref)
    for at in range(0, info.size, PIECE):
        yield blobs.read(ref, at, PIECE, etag=info.etag)


@contextmanager
def _dropped_on(
    error: type[ContentDiffers | BlobChanged], blobs: Blobs, staged: BlobRef
) -> Iterator[None]:
    try:
        yield
    except error:
        blobs.delete(staged)
        raise


def _info(blobs: Blobs, ref: BlobRef) -> BlobInfo | None:
    try:
        return blobs.info(ref)
    except BlobNotFound:
        return None


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
