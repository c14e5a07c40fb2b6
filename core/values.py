"""Values on their way to and from storage: JSON in the row while small, in a blob when large."""

from __future__ import annotations

import re
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

from core.blobs import BlobRef, Blobs, Zone
from core.errors import BadResult
from core.tasks import Payload

INLINE = 64 * 1024
CONTAINER = "coremachine"
NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""How JSON writes the one character that PostgreSQL keeps nowhere."""


class Values:
    """Packs JSON into payloads and back."""

    def __init__(self, blobs: Blobs, inline: int = INLINE) -> None:
        self.blobs = blobs
        self.inline = inline

    def pack(self, data: bytes, name: str) -> Payload:
        """Small JSON stays in the row; large JSON goes to a blob of that name."""
        if len(data) <= self.inline:
            return Payload(data)
        ref = BlobRef.of(Zone.SILVER, CONTAINER, f"{name}.json")
        self.blobs.write(ref, data, content_type="application/json")
        return Payload(ref=ref)

    def unpack(self, payload: Payload) -> bytes:
        if payload.ref is not None:
            return self.blobs.read(BlobRef(payload.ref))
        return payload.data if payload.data is not None else b"null"


def encode(adapter: TypeAdapter[Any], value: Any, what: str) -> bytes:
    """JSON of a value that must be what its annotation says."""
    try:
        data = adapter.dump_json(value, warnings="error")
    except (PydanticSerializationError, UnicodeEncodeError) as error:
        raise BadResult(f"{what} is not what its annotation promises: {error}") from error
    if NUL.search(data):
        raise BadResult(f"{what} holds a NUL character, which the database cannot keep")
    return data
