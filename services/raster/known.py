"""The parameters that users of the earlier systems know, in the words of today."""

from collections.abc import Mapping
from typing import Any

from core.blobs import Zone
from services.raster.models import Tier
from services.storage.models import Container

ZONES = {zone.value for zone in Zone}
SAME = {
    "collection_id": "collection",
    "stac_item_id": "item_id",
    "output_folder": "folder",
    "jpeg_quality": "quality",
}
RETIRED = frozenset(
    {
        "in_memory",
        "use_windowed_read",
        "chunk_size_mb",
        "overview_level",
        "create_mosaicjson",
        "create_stac_collection",
        "output_container",
        "maxzoom",
        "mosaicjson_container",
        "cog_container",
        "use_mount_storage",
        "cleanup_temp",
        "_skip_validation",
        "_skip_blob_validation",
    }
)
"""They told the old systems how to do their work. Nothing has to be told any more."""
SEVERAL = {
    "both": [Tier.VISUALIZATION, Tier.ANALYSIS],
    "all": [Tier.VISUALIZATION, Tier.ANALYSIS, Tier.ARCHIVE],
}


def translated(given: Any) -> Any:
    """Known names become today's; what is neither stays, and is refused by name."""
    if not isinstance(given, Mapping):
        return given
    old = {name: value for name, value in given.items() if name not in RETIRED}
    new = {SAME.get(name, name): value for name, value in old.items()}
    if "blob_name" in new and "container_name" in new and "source" not in new:
        new["source"] = f"{place(new.pop('container_name'))}/{new.pop('blob_name')}"
    if "output_tier" in new and "tiers" not in new:
        tier = new.pop("output_tier")
        new["tiers"] = SEVERAL.get(tier, [tier])
    if new.get("raster_type") == "auto":
        del new["raster_type"]
    return new


def several(given: Any) -> Any:
    """The same for jobs over many rasters."""
    new = translated(given)
    if not isinstance(new, dict):
        return new
    if "blob_list" in new and "container_name" in new and "sources" not in new:
        container = place(new.pop("container_name"))
        new["sources"] = [f"{container}/{name}" for name in new.pop("blob_list")]
    if "item_id" in new and "item_prefix" not in new:
        new["item_prefix"] = f"{new.pop('item_id')}-"
    if "extension_filter" in new and "extensions" not in new:
        new["extensions"] = [new.pop("extension_filter")]
    return new


def place(container: Any) -> str:
    """`bronze-images`, `bronze/images` or, in bronze, just `images`, as `bronze/images`."""
    text = str(container)
    if text.split("-")[0] not in ZONES and text.split("/")[0] not in ZONES:
        text = f"bronze-{text}"
    found = Container.parse(text)
    return f"{found.zone}/{found.name}"
