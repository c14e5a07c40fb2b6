"""Small STAC documents, made by hand, and the schemas that every document must fit."""

import json
from typing import Any

from jsonschema import Draft7Validator
from pystac.validation.local_validator import get_local_schema_cache
from referencing import Registry, Resource

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


def schema(part: str) -> Draft7Validator:
    """STAC's own, of items or collections, as pystac ships it."""
    schemas = get_local_schema_cache()
    known = [(name, Resource.from_contents(schema)) for name, schema in schemas.items()]
    wanted = next(schema for name, schema in schemas.items() if f"v1.1.0/{part}-spec" in name)
    return Draft7Validator(wanted, registry=Registry().with_resources(known))


def problems(document: dict[str, Any], part: str = "item") -> list[str]:
    found = json.loads(json.dumps(document, allow_nan=False))
    return [error.message for error in schema(part).iter_errors(found)]
