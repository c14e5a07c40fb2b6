"""A few datasets, so that home has something to show."""

from core.catalog import Catalog

PLACES = {
    "kigali-hills": (29.9, -2.1, 30.2, -1.8),
    "lake-kivu<img src=x onerror=alert(1)>": (28.8, -2.5, 29.4, -1.5),
    "alps-dem": (6.0, 45.0, 11.0, 47.5),
    "andes-snow": (-71.0, -34.0, -69.0, -31.0),
}


def fill(catalog: Catalog) -> None:
    items = [
        {
            "type": "Feature",
            "id": name,
            "collection": "samples",
            "bbox": list(box),
            "geometry": None,
            "properties": {"datetime": "2026-01-01T00:00:00Z", "created": "2026-01-01T00:00:00Z"},
            "assets": {},
            "links": [],
        }
        for name, box in PLACES.items()
    ]
    catalog.add({"id": "samples", "type": "Collection"}, items)
