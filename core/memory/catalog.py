"""A catalog that lives in this process's memory, for tests of jobs."""

from __future__ import annotations

import copy
import hashlib
import json
import re
import threading
from collections.abc import Iterable
from typing import Any, cast

from core.catalog import Census, Document, Holding, checked
from core.errors import CollectionNotFound
from core.extents import grow

PAGE = 10


class MemoryCatalog:
    """The `Catalog` port in memory. Its search knows `collections`, `ids`, `bbox`, `limit` and `token`, and of filters `like` on the id."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._collections: dict[str, Document] = {}
        self._items: dict[tuple[str, str], Document] = {}
        self._searches: dict[str, Document] = {}

    def add(self, collection: Document | str, items: Iterable[Document]) -> int:
        name = collection if isinstance(collection, str) else str(collection["id"])
        added = copy.deepcopy(checked(name, items))
        with self._lock:
            if not isinstance(collection, str):
                self._collections.setdefault(name, copy.deepcopy(collection))
            if name not in self._collections:
                raise CollectionNotFound(f"There is no collection {name!r}")
            self._items.update({(name, str(item["id"])): item for item in added})
            self._collections[name] = grow(self._collections[name], added)
        return len(added)

    def put_collection(self, collection: Document) -> None:
        with self._lock:
            self._collections[str(collection["id"])] = copy.deepcopy(collection)

    def collection(self, name: str) -> Document | None:
        return copy.deepcopy(self._collections.get(name))

    def collections(self) -> list[Document]:
        return [copy.deepcopy(known) for _, known in sorted(self._collections.items())]

    def item(self, collection: str, name: str) -> Document | None:
        return copy.deepcopy(self._items.get((collection, name)))

    def search(self, query: Document) -> Document:
        found = [item for _, item in sorted(self._items.items()) if _matches(item, query)]
        start, limit = int(query.get("token") or 0), int(query.get("limit") or PAGE)
        page = copy.deepcopy(found[start : start + limit])
        links = [{"rel": "next", "token": str(start + limit)}] if start + limit < len(found) else []
        return {"type": "FeatureCollection", "features": page, "links": links}

    def register(self, query: Document) -> str:
        name = hashlib.sha256(json.dumps(query, sort_keys=True).encode()).hexdigest()[:32]
        self._searches[name] = copy.deepcopy(query)
        return name

    def registered(self, name: str) -> Document | None:
        return copy.deepcopy(self._searches.get(name))

    def remove(self, collection: str, name: str) -> bool:
        with self._lock:
            return self._items.pop((collection, name), None) is not None

    def remove_collection(self, name: str) -> bool:
        with self._lock:
            if any(collection == name for collection, _ in self._items):
                return False
            return self._collections.pop(name, None) is not None

    def census(self) -> Census:
        return Census("memory", len(self._collections), len(self._items))

    def holdings(self) -> list[Holding]:
        sizes: dict[str, list[int]] = {}
        for item in self._items.values():
            told: object = item["properties"].get("coremachine:bytes")
            by_tier = cast("Document", told) if isinstance(told, dict) else {}
            for tier, size in by_tier.items():
                if isinstance(size, int):
                    sizes.setdefault(tier, []).append(size)
        return [Holding(tier, len(each), sum(each)) for tier, each in sorted(sizes.items())]


def _matches(item: Document, query: Document) -> bool:
    wanted, ids = query.get("collections"), query.get("ids")
    if (wanted and item["collection"] not in wanted) or (ids and item["id"] not in ids):
        return False
    if query.get("filter") and not _like(item["id"], query["filter"]["args"][1]["args"][0]):
        return False
    return _meet(item["bbox"], query["bbox"]) if query.get("bbox") else True


def _like(name: str, pattern: str) -> bool:
    """Whether it holds what stands between two %."""
    wanted = re.sub(r"\\(.)", r"\1", pattern[1:-1])
    return wanted.casefold() in name.casefold()


def _meet(one: list[Any], other: list[Any]) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]
