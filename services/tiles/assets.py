"""Which asset of an item is shown, and what of it may be opened."""

from typing import Any

from core.blobs import BlobRef, Zone
from core.errors import BadInput
from services.raster import rendering
from services.raster.models import Statistics
from services.raster.rendering import Rendering
from services.tiles.errors import CannotShow

PREFERRED = ("visualization", "analysis", "tiles", "data")
TILES, OVERVIEW = "tiles", "overview"
ZONES = frozenset({Zone.SILVER, Zone.GOLD, Zone.EXTERNAL})
"""What was made here or cleared. Raw uploads are nobody's picture."""

Document = dict[str, Any]


def shown_ref(href: object, name: str) -> BlobRef:
    """A link of the catalog as a blob of our own storage. Nothing else is ever opened."""
    try:
        ref = BlobRef(str(href))
    except BadInput:
        raise CannotShow(f"{name} lies outside this storage, so it cannot be shown.") from None
    if ref.zone not in ZONES:
        raise CannotShow(f"{name} lies in zone {ref.zone}, which is not shown.")
    return ref


def chosen(item: Document, asked: str | None) -> str:
    """The key of the asset that is shown."""
    assets: Document = item.get("assets") or {}
    shown = [key for key, asset in assets.items() if _is_raster(key, asset)]
    if asked is None:
        for key in (*PREFERRED, *shown):
            if key in shown:
                return key
        raise CannotShow(f"Item {item.get('id')} has no raster that could be shown.")
    if asked not in shown:
        raise CannotShow(
            f"Item {item.get('id')} has no raster {asked[:100]!r}; it has {', '.join(shown) or 'none'}."
        )
    return asked


def _is_raster(key: str, asset: Document) -> bool:
    kind = str(asset.get("type", ""))
    return kind.startswith("image/tiff") or (key == TILES and kind == "application/geo+json")


def rendering_of(item: Document, key: str) -> Rendering:
    """What the item says, else what its bands' statistics suggest."""
    for of in (key, *({TILES: (OVERVIEW, "analysis"), OVERVIEW: (TILES,)}.get(key, ()))):
        found = rendering.from_item(item, of)
        if found != Rendering():
            return found
    return rendering.plain([_statistics(band) for band in _bands(item["assets"][key])])


def _bands(asset: Document) -> list[Document]:
    """Those that hold values that are no bytes."""
    bands: list[Document] = asset.get("bands") or []
    colors = [band for band in bands if band.get("name") != "alpha"]
    return [] if any(band.get("data_type") == "uint8" for band in colors) else colors


def _statistics(band: Document) -> Statistics:
    found: Document = band.get("statistics") or {}
    return Statistics(
        minimum=found.get("minimum"),
        maximum=found.get("maximum"),
        mean=found.get("mean"),
        valid_share=found.get("valid_percent", 0) / 100,
    )
