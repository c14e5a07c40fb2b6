"""The catalog: where what was made is found again, by place and time. Its documents are STAC, kept as plain JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from core.errors import BadInput

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Census:
    """How much a catalog holds, and which version of its software keeps it."""

    version: str
    collections: int
    items: int


@dataclass(frozen=True, slots=True)
class Holding:
    """What the files of one tier take, over all items that tell it (`coremachine:bytes`, by tier)."""

    tier: str
    items: int
    bytes: int


class Catalog(Protocol):
    """Collections and items. Every write is safe to repeat; assets name blobs as `zone/container/path`.

    A null inside an item may be lost, as if it had not been said; that of `datetime` is not.
    """

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

    def remove_collection(self, name: str) -> bool:
        """Forget a collection that holds no items. False if it holds some, or does not exist."""
        ...

    def census(self) -> Census: ...
    def holdings(self) -> list[Holding]:
        """By tier. It reads every item: ask now and then."""
        ...


def checked(name: str, items: Iterable[Document]) -> list[Document]:
    """The items, each of which must belong to that collection and say when it is from."""
    found = list(items)
    for item in found:
        if item.get("collection") != name:
            raise BadInput(
                f"item {item.get('id')!r} belongs to collection {item.get('collection')!r}, not {name!r}"
            )
        span(item)
    return found


def span(item: Document) -> tuple[datetime, datetime]:
    """The first and the last moment an item is of. A moment without a zone counts as UTC."""
    said = item["properties"]
    ends = said.get("start_datetime"), said.get("end_datetime")
    try:
        first, last = (_moment(end) for end in (ends if all(ends) else [said.get("datetime")] * 2))
    except (TypeError, ValueError) as error:
        raise BadInput(
            f"item {item.get('id')!r} needs a datetime, or a start_datetime and an end_datetime"
        ) from error
    if first > last:
        raise BadInput(f"item {item.get('id')!r} ends before it starts")
    return first, last


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def whole(item: Document) -> Document:
    """The item with the null that STAC wants as `datetime` where a first and a last moment stand instead."""
    properties = item.get("properties", {})
    if "start_datetime" not in properties or "datetime" in properties:
        return item
    return {**item, "properties": {"datetime": None, **properties}}
