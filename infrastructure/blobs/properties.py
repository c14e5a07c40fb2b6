"""What the SDK says and wants to hear about a blob, in our words."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobClient, BlobProperties

from core.blobs import BlobInfo, BlobRef
from core.errors import BadInput

UNTYPED = "application/octet-stream"


def found(client: BlobClient) -> BlobProperties | None:
    try:
        return client.get_blob_properties()
    except ResourceNotFoundError:
        return None


def is_whole(properties: BlobProperties) -> bool:
    """Azure shows a blob while a copy is still filling it, and after that copy failed. We do not."""
    return properties.copy.status in {None, "success"}


def info_of(ref: BlobRef, properties: BlobProperties) -> BlobInfo:
    modified: datetime = properties.last_modified
    return BlobInfo(
        ref=ref,
        size=int(properties.size),
        etag=bare(str(properties.etag)),
        modified=modified,
        content_type=properties.content_settings.content_type or UNTYPED,
        md5=md5_of(properties),
    )


def md5_of(properties: BlobProperties) -> str | None:
    digest = properties.content_settings.content_md5
    return bytes(digest).hex() if digest else None


def mark_of(properties: BlobProperties, name: str) -> str | None:
    metadata: dict[str, str] = properties.metadata or {}
    return metadata.get(name)


def condition(only_if_new: bool = False, if_etag: str | None = None) -> dict[str, Any]:
    """What must hold for a request to take effect."""
    if only_if_new and if_etag is not None:
        raise BadInput("Ask either only_if_new or if_etag: a new blob has no etag yet")
    if only_if_new:
        return {"match_condition": MatchConditions.IfMissing}
    if if_etag is not None:
        return {"match_condition": MatchConditions.IfNotModified, "etag": f'"{bare(if_etag)}"'}
    return {}


def bare(etag: str) -> str:
    """Listings give etags without quotes, headers with them."""
    return etag.strip('"')
