"""Blobs on their way in: as a form in one go, or piece by piece."""

from __future__ import annotations

import mimetypes
import re
from base64 import b64decode
from collections.abc import Iterator
from typing import IO, Annotated, cast

from anyio import CapacityLimiter, from_thread, to_thread
from fastapi import APIRouter, Depends, Header, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import ClientDisconnect

from core.blobs import BlobInfo, BlobRef, Zone
from core.errors import MalformedBody
from services.storage import uploads
from services.storage.models import Container
from services.storage.uploads import PIECE, ContentType, Md5, Promise, Rules, Sha256, Upload
from triggers.http.door.actor import about
from triggers.http.door.middleware import BodyLimit
from triggers.http.problems import invalid_parameters
from triggers.http.requests import body_of, described, fitted
from triggers.http.services import Services, TheServices
from triggers.http.storage.multipart import Form

router = APIRouter(prefix="/api/storage", tags=["storage"])

AT_ONCE = 8
"""How many forms one process receives side by side; each holds a few pieces in memory."""
FORM = 64 * 1024
"""What a form may hold besides its file."""
IN_PIECES = "Send it in pieces (POST /api/storage/uploads), or straight to storage (POST /api/storage/links)."
A_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["container", "file"],
                    "properties": {
                        "container": {"type": "string", "description": "As in bronze-rasters."},
                        "zone": {
                            "type": "string",
                            "description": "When the container is named without.",
                        },
                        "path": {
                            "type": "string",
                            "description": "Its name there; else the file's own.",
                        },
                        "overwrite": {"type": "boolean", "default": False},
                        "content_type": {"type": "string"},
                        "size": {"type": "integer", "description": "What must arrive."},
                        "md5": {"type": "string", "description": "What must arrive, in hex."},
                        "file": {"type": "string", "format": "binary", "description": "Last."},
                    },
                }
            }
        },
    }
}
BYTES = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class Given(BaseModel):
    """A body of ours: nothing in it is unknown, and every type is meant."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Fields(Given):
    """What a form says about its file."""

    container: str
    zone: Zone | None = None
    path: str | None = None
    overwrite: bool = False
    content_type: ContentType | None = None
    size: int | None = Field(default=None, ge=0)
    md5: Md5 | None = None

    def ref(self, filename: str) -> BlobRef:
        place = self.container if self.zone is None else f"{self.zone}-{self.container}"
        container = Container.parse(place)
        return BlobRef.of(container.zone, container.name, self.path or filename)


class Begin(Given):
    """An upload in pieces to begin."""

    ref: BlobRef
    """Where the blob shall be, as `bronze/rasters/dem.tif`."""
    size: int = Field(ge=0, strict=True)
    """All its bytes."""
    content_type: ContentType | None = None
    """Guessed from the name when not given."""
    overwrite: bool = Field(default=False, strict=True)
    """Replace the blob that has this name."""


class Progress(BaseModel):
    """An upload in pieces, and how far it is."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    ref: BlobRef
    size: int
    content_type: str
    piece_size: int
    """What every piece has but the last, which has the rest."""
    count: int
    """The pieces are numbered from 0 to one less than this."""
    there: list[int]
    """The pieces that arrived whole. None, once the upload is complete."""


class Complete(Given):
    """What the content must be. What is left out is not checked."""

    md5: Md5 | None = None
    sha256: Sha256 | None = None


def limits(rules: Rules) -> list[BodyLimit]:
    """How large the bodies of these operations may be."""
    whole, piece = (
        re.compile("/api/storage/upload"),
        re.compile("/api/storage/uploads/[^/]+/[0-9]+"),
    )
    pieces = f"A piece has {PIECE} bytes."
    return [
        BodyLimit("POST", whole, rules.largest + FORM, IN_PIECES),
        BodyLimit("PUT", piece, PIECE, pieces),
    ]


def slots() -> CapacityLimiter:
    """Threads for forms only: senders who take their time keep nobody else waiting."""
    return CapacityLimiter(AT_ONCE)


@router.post("/upload", status_code=201, openapi_extra=A_FORM)
async def upload_blob(request: Request, services: TheServices) -> BlobInfo:
    """Send a file as a form. It passes through to storage as it comes, and shows once all of it is there.

    The file is the last part of the form.
    """
    body, kind = arriving(request), request.headers.get("content-type", "")

    def receive() -> BlobInfo:
        return _receive(services, Form(body, kind))

    info = await to_thread.run_sync(receive, limiter=request.app.state.upload_slots)
    about(request, info.ref)
    return info


@router.post("/uploads", status_code=201, openapi_extra=described(Begin))
def begin_upload(
    wanted: Annotated[Begin, Depends(body_of(Begin))], services: TheServices
) -> Progress:
    """Begin an upload in pieces. Whoever has its id may go on with it, at any instance, for a week."""
    services.uploads.check(wanted.ref, wanted.size)
    uploads.refuse_existing(services.blobs, wanted.ref, wanted.overwrite)
    kind = wanted.content_type or _guess(wanted.ref)
    return _progress(
        Upload(ref=wanted.ref, size=wanted.size, content_type=kind, overwrite=wanted.overwrite),
        [],
    )


def the_upload(
    upload_id: Annotated[str, Path(description="As POST /api/storage/uploads gave it.")],
    services: TheServices,
    request: Request,
) -> Upload:
    """What an id tells is checked like what a caller tells."""
    given = Upload.parse(upload_id)
    about(request, given.ref)
    services.uploads.check(given.ref, given.size)
    return given


async def raw_body(request: Request) -> bytes:
    return await request.body()


TheUpload = Annotated[Upload, Depends(the_upload)]


@router.get("/uploads/{upload_id}")
def upload_progress(given: TheUpload, services: TheServices) -> Progress:
    """Which pieces are there."""
    return _progress(given, given.there(services.blobs))


@router.put("/uploads/{upload_id}/{number}", status_code=204, openapi_extra=BYTES)
def put_piece(
    given: TheUpload,
    number: Annotated[int, Path(description="Counted from 0.")],
    data: Annotated[bytes, Depends(raw_body)],
    services: TheServices,
    content_md5: Annotated[str | None, Header(description="Of this piece, in base64.")] = None,
) -> None:
    """Send one piece. It may come again, and pieces may come in any order or side by side."""
    uploads.put(services.blobs, given, number, data, _hex(content_md5))


@router.post(
    "/uploads/{upload_id}/complete",
    status_code=201,
    openapi_extra=described(Complete, required=False),
)
def complete_upload(
    given: TheUpload,
    wanted: Annotated[Complete, Depends(body_of(Complete))],
    services: TheServices,
) -> BlobInfo:
    """Make the blob of its pieces, after a look at what it must be. It may be asked again."""
    promise = Promise(md5=wanted.md5, sha256=wanted.sha256)
    return uploads.complete(services.blobs, given, promise)


@router.delete("/uploads/{upload_id}", status_code=204)
def drop_upload(given: TheUpload, services: TheServices) -> None:
    """Forget an upload and its pieces. A blob that is complete stays."""
    uploads.drop(services.blobs, given)


def arriving(request: Request) -> Iterator[bytes]:
    """The body as it comes, for a thread that the event loop waits for."""
    stream = request.stream()

    async def following() -> bytes:
        try:
            return await anext(stream, b"")
        except ClientDisconnect:
            raise MalformedBody("The connection ended before the body did") from None

    while chunk := from_thread.run(following):
        yield chunk


def _receive(services: Services, form: Form) -> BlobInfo:
    assert form.file is not None
    fields = fitted(Fields, form.fields)
    ref = fields.ref(form.file.filename)
    services.uploads.check(ref, fields.size or 0)
    kind = fields.content_type or _content_type(form.file.headers, ref)
    promise = Promise(size=fields.size, md5=fields.md5)
    source = cast(IO[bytes], form)
    return uploads.store(services.blobs, ref, source, kind, promise, overwrite=fields.overwrite)


def _content_type(headers: dict[str, str], ref: BlobRef) -> str:
    told = headers.get("content-type", "")
    usable = re.fullmatch(uploads.TYPE, told) and told != uploads.UNTYPED
    return told if usable else _guess(ref)


def _guess(ref: BlobRef) -> str:
    return mimetypes.guess_type(ref.name)[0] or uploads.UNTYPED


def _hex(content_md5: str | None) -> str | None:
    """RFC 1864's form of a digest as ours."""
    if content_md5 is None:
        return None
    digest = _bytes(content_md5)
    if len(digest) != 16:
        message = "is the digest of the piece, 16 bytes in base64"
        raise invalid_parameters(
            [{"loc": ("header", "content-md5"), "msg": message, "type": "value_error"}]
        )
    return digest.hex()


def _bytes(base64: str) -> bytes:
    try:
        return b64decode(base64, validate=True)
    except ValueError:
        return b""


def _progress(given: Upload, there: list[int]) -> Progress:
    return Progress(
        id=given.id,
        ref=given.ref,
        size=given.size,
        content_type=given.content_type,
        piece_size=PIECE,
        count=given.count,
        there=there,
    )
