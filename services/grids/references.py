"""A Zarr store without a copy: its metadata, and where in other files each of its chunks lies."""

from __future__ import annotations

from base64 import b64encode
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, TypeAdapter

from core.blobs import BlobRef, Blobs
from core.errors import BadInput

HIDDEN = frozenset({"_FillValue", "_ARRAY_DIMENSIONS"})
"""Attributes that Zarr keeps in a place of its own."""

Attributes = dict[str, Any]


class Part(NamedTuple):
    """A range of a blob."""

    ref: BlobRef
    start: int
    length: int


Reference = str | Part


class References(BaseModel):
    """A Zarr (version 2) store as kerchunk writes it: a key is text, base64, or a part of a blob."""

    model_config = ConfigDict(frozen=True)

    version: int = 1
    refs: dict[str, Reference]
    states: dict[str, str] = {}
    """The etag that each file had. Its parts are read of that state only: other bytes would be wrong cells."""
    left_out: list[str] = []
    """What the file holds but this does not, and why."""


READ = TypeAdapter(References)


def load(blobs: Blobs, ref: BlobRef) -> References:
    """References that were written before."""
    try:
        return READ.validate_json(blobs.read(ref))
    except ValueError as error:
        raise BadInput(f"{ref} holds no references: {str(error)[:200]}") from error


def inlined(data: bytes) -> str:
    """Bytes as kerchunk writes them into its JSON."""
    return f"base64:{b64encode(data).decode()}"


def plain(attributes: Attributes) -> Attributes:
    """Attributes as strict JSON has them."""
    return {
        name: _json(value)
        for name, value in sorted(attributes.items())
        if name not in HIDDEN and not (name == "missing_value" and value != value)
    }


def endless(value: float) -> str:
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def _json(value: Any) -> Any:
    match value:
        case np.generic():
            return _json(value.item())
        case float() if not isfinite(value):
            return endless(value)
        case list():
            return [_json(each) for each in value]
        case _:
            return value
