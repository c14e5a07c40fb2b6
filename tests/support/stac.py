"""Small STAC documents, made by hand."""

from typing import Any

Document = dict[str, Any]


def collection(name: str = "hills", **more: Any) -> Document:
    """A collection that holds nothing yet."""
    return {
        "type": "Collection",
        "stac_version": "1.1.0",
        "id": name,
        "description": "Hills.",
        "license": "other",
        "links": [],
        "extent": {
            "spatial": {"bbox": [[-180.0, -90.0, 180.0, 90.0]]},
            "temporal": {"interval": [[None, None]]},
        },
        **more,
    }


def item(
    name: str,
    collection: str = "hills",
    box: tuple[float, float, float, float] = (29.0, -2.0, 30.0, -1.0),
    moment: str = "2024-05-01T10:00:00Z",
    **properties: Any,
) -> Document:
    west, south, east, north = box
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "collection": collection,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": list(box),
        "properties": {"datetime": moment, **properties},
        "links": [],
        "assets": {"analysis": {"href": f"silver/rasters/{name}.tif", "roles": ["data"]}},
    }
