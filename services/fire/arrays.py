"""Arrays by name, in one blob."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any, cast

import numpy as np

from core.blobs import BlobRef, Blobs
from services.fire.rothermel import Array


def packed(arrays: Mapping[str, Array | float], *, small: bool = False) -> bytes:
    """Equal arrays are equal bytes."""
    file = BytesIO()
    write = np.savez_compressed if small else np.savez
    write(file, **cast("Any", arrays))
    return file.getvalue()


def read(blobs: Blobs, ref: BlobRef) -> dict[str, Array]:
    with np.load(BytesIO(blobs.read(ref)), allow_pickle=False) as kept:
        return {name: kept[name] for name in kept.files}
