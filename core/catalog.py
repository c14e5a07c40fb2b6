"""The catalog: where what was made is found again, by place and time. Its documents are STAC, kept as plain JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

Document = dict[str, Any]


class Catalog(Protocol):
    """Collections and items. Every write is safe to repeat; assets name blobs as `zone/container/path`."""

    def add(self, collection: Document | str, items: Iterable[Document]) -> int:
        """Insert or replace items, and say how many.

        Given a whole collection, it is made first if it does not exist, in the same transaction; given an id, it
        must exist (CollectionNotFound). Its extent and summaries grow to hold the items.
        """
        ...

    def put_collection(self, collection: Document) -> None:
        """Insert or replace a collection; its items stay."""
        ...

    def collection(self, name: str) -> Document | None: ...
    def collections(self) -> list[Document]: ...
    def item(self, collection: str, name: str) -> Document | None: ...

    def search(self, query: Document) -> Document:
        """A page of items, as a FeatureCollection. The query is that of STAC's item search; `token` asks for more."""
        ...

    def register(self, query: Document) -> str:
        """Keep a search, and give the hash that names it. Equal searches have the same."""
        ...

    def registered(self, name: str) -> Document | None:
        """The search of that hash."""
        ...

    def remove(self, collection: str, name: str) -> bool:
        """Forget an item. False if there was none."""
        ...
