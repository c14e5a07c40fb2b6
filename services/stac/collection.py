"""Collections of the catalog: what one says of itself before it holds anything. `core.extents` lets it grow."""

from collections.abc import Sequence
from typing import Any

from core.catalog import Catalog, Document
from core.extents import UNKNOWN, grow
from services.raster.models import COG_TYPE, Tier

ITEM_ASSETS: Document = {
    Tier.ANALYSIS.value: {
        "type": COG_TYPE,
        "title": "Analysis COG",
        "description": "Lossless, quick to read.",
        "roles": ["data", Tier.ANALYSIS.value],
    },
    Tier.VISUALIZATION.value: {
        "type": COG_TYPE,
        "title": "Visualization COG",
        "description": "Small and made to be looked at.",
        "roles": ["visual", Tier.VISUALIZATION.value],
    },
    Tier.ARCHIVE.value: {
        "type": COG_TYPE,
        "title": "Archive COG",
        "description": "Lossless, cheap to keep.",
        "roles": [Tier.ARCHIVE.value],
    },
}
DEV = "dev"
STANDARD = {
    DEV: "Data that someone is trying things with.",
    "system-rasters": "Rasters that belong to no other collection.",
    "system-vectors": "Vector tables that belong to no other collection.",
}
"""The collections that every installation has."""


def collection(
    name: str,
    description: str = "",
    *,
    title: str | None = None,
    license: str = "other",
    keywords: Sequence[str] = (),
    providers: Sequence[Document] = (),
    item_assets: Document | None = None,
    items: Sequence[Document] = (),
    **more: Any,
) -> Document:
    """A collection document. Without items it lies everywhere, at any time."""
    optional = {
        "title": title,
        "keywords": list(keywords),
        "providers": list(providers),
        "item_assets": item_assets,
    }
    made = {
        "type": "Collection",
        "stac_version": "1.1.0",
        "id": name,
        "description": description or f"Items of {name}.",
        "license": license,
        "extent": UNKNOWN,
        "links": [],
        **{key: value for key, value in optional.items() if value},
        **more,
    }
    return grow(made, items)


def of_rasters(name: str, description: str = "", **more: Any) -> Document:
    """A collection whose items have an asset for each tier."""
    return collection(name, description, item_assets=ITEM_ASSETS, **more)


def standard() -> list[Document]:
    return [collection(name, description) for name, description in STANDARD.items()]


def make_standard(catalog: Catalog) -> list[str]:
    """Put the standard collections where they are missing; the names of those that were."""
    missing = [each for each in standard() if catalog.collection(each["id"]) is None]
    for each in missing:
        catalog.add(each, [])
    return [str(each["id"]) for each in missing]
