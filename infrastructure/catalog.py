"""The catalog in pgSTAC. It reads through pgSTAC's functions, and writes rows as pgSTAC's own loader does."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection, errors
from psycopg.rows import TupleRow
from pydantic_core import from_json
from pypgstac.hydration import dehydrate, hydrate

from core.catalog import Census, Document, Holding, checked, span, whole
from core.errors import BadInput, CollectionNotFound
from core.extents import grow
from infrastructure.database import Database, first_line, sql

OPTIONS = (
    "-c lock_timeout=30s -c idle_in_transaction_session_timeout=60s "
    "-c search_path=pgstac,public -c timezone=UTC -c jit=off"
)
"""pgSTAC's functions look for each other on the search path, and plan best with the usual planner."""
CHUNK = 2_000
"""How many items one statement carries."""
COLUMNS = frozenset({"id", "geometry", "collection", "type"})
"""What pgSTAC keeps beside an item's content."""
REFUSALS = (errors.RaiseException, psycopg.DataError, errors.InternalError_, errors.SyntaxError)


def catalog_pool(dsn: str, *, size: int, name: str) -> Database:
    """Connections as pgSTAC wants them. None is made before the catalog is first asked."""
    return Database(dsn, size=size, name=f"{name}-catalog", options=OPTIONS, idle=0)


class PgstacCatalog:
    """The `Catalog` port on pgSTAC.

    Who adds to a collection holds its row, so that its extent grows by one at a time. Who makes or drops a
    partition is alone among the writers, because pgSTAC then locks tables in an order of its own.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, collection: Document | str, items: Iterable[Document]) -> int:
        name = collection if isinstance(collection, str) else str(collection["id"])
        batch = checked(name, items)
        self.database.run(lambda conn: _add(conn, name, collection, batch))
        return len(batch)

    def put_collection(self, collection: Document) -> None:
        def put(conn: Connection[TupleRow]) -> None:
            conn.execute(sql("catalog/lock_shared"))
            conn.execute(sql("catalog/put_collection"), {"content": _json(collection)})

        self.database.run(put)

    def collection(self, name: str) -> Document | None:
        return self._document("catalog/get_collection", {"name": name})

    def collections(self) -> list[Document]:
        return sorted(self._value("catalog/list_collections", {}), key=lambda known: known["id"])

    def item(self, collection: str, name: str) -> Document | None:
        found = self._document("catalog/get_item", {"collection": collection, "name": name})
        return None if found is None else whole(found)

    def search(self, query: Document) -> Document:
        found = self._value("catalog/search", {"query": _json(_bare(query))})
        return {**found, "features": _items(found), "links": _links(found)}

    def register(self, query: Document) -> str:
        return self.database.run(
            lambda conn: _text(conn, "catalog/register", {"query": _json(query)})
        )

    def registered(self, name: str) -> Document | None:
        return self._document("catalog/get_registered", {"name": name})

    def remove(self, collection: str, name: str) -> bool:
        item = {"collection": collection, "name": name}

        def forget(conn: Connection[TupleRow]) -> bool:
            conn.execute(sql("catalog/lock_shared"))
            _hold(conn, collection)
            if there := _text(conn, "catalog/has_item", item):
                conn.execute(sql("catalog/remove_item"), item)
            return bool(there)

        return self.database.run(forget)

    def remove_collection(self, name: str) -> bool:
        def forget(conn: Connection[TupleRow]) -> bool:
            conn.execute(sql("catalog/lock_alone"))
            if _hold(conn, name) is None or _text(conn, "catalog/has_items", {"name": name}):
                return False
            conn.execute(sql("catalog/remove_collection"), {"name": name})
            return True

        return self.database.run(forget)

    def census(self) -> Census:
        return Census(*self.database.fetch("catalog/take_census", {})[0])

    def holdings(self) -> list[Holding]:
        return [Holding(*row) for row in self.database.fetch("catalog/sum_tiers", {})]

    def _value(self, statement: str, values: Mapping[str, Any]) -> Any:
        return from_json(self.database.run(lambda conn: _text(conn, statement, values)))

    def _document(self, statement: str, values: Mapping[str, Any]) -> Document | None:
        found = self.database.run(lambda conn: _text(conn, statement, values))
        return None if found is None else from_json(found)


def _add(
    conn: Connection[TupleRow], name: str, given: Document | str, batch: list[Document]
) -> None:
    ready = _text(conn, "catalog/is_ready", {"name": name})
    conn.execute(sql("catalog/lock_shared" if ready else "catalog/lock_alone"))
    if not isinstance(given, str):
        conn.execute(sql("catalog/make_collection"), {"content": _json(given)})
    held = _hold(conn, name)
    if held is None:
        raise CollectionNotFound(f"There is no collection {name!r}")
    _store(conn, name, batch)
    if (grown := grow(held, batch)) != held:
        conn.execute(sql("catalog/put_collection"), {"content": _json(grown)})


def _store(conn: Connection[TupleRow], name: str, batch: list[Document]) -> None:
    """The last of equal ids is kept, as if they had been added one by one."""
    items = list({item["id"]: item for item in batch}.values())
    base = conn.execute(sql("catalog/get_base_item"), {"name": name}).fetchone()
    assert base is not None
    for start in range(0, len(items), CHUNK):
        rows = _rows(name, items[start : start + CHUNK], from_json(base[0]), base[1])
        with _refusing():
            conn.execute(sql("catalog/make_partition"), rows)
            conn.execute(sql("catalog/remove_items"), rows)
            conn.execute(sql("catalog/add_items"), rows)


def _rows(name: str, items: list[Document], base: Document, tag: int | None) -> dict[str, Any]:
    """Columns of pgSTAC's items. What an item shares with its collection's base item is left out of its content."""
    spans = [span(item) for item in items]
    mark = {} if tag is None else {"pgstac:base_item": tag}
    return {
        "name": name,
        "id": [item["id"] for item in items],
        "geometry": [_json(item["geometry"]) for item in items],
        "datetime": [first for first, _ in spans],
        "end_datetime": [last for _, last in spans],
        "content": [_json({**_slim(dehydrate(base, item)), **mark}) for item in items],
    }


def _slim(content: Document) -> Document:
    return {key: value for key, value in content.items() if key not in COLUMNS}


def _hold(conn: Connection[TupleRow], name: str) -> Document | None:
    found = _text(conn, "catalog/hold_collection", {"name": name})
    return None if found is None else from_json(found)


def _text(conn: Connection[TupleRow], statement: str, values: Mapping[str, Any]) -> Any:
    """The first value of the first row; jsonb as text."""
    with _refusing():
        row = conn.execute(sql(statement), values).fetchone()
    return None if row is None else row[0]


@contextmanager
def _refusing() -> Generator[None]:
    """What pgSTAC refuses is a mistake of whoever asked, and its first line says which."""
    try:
        yield
    except REFUSALS as error:
        raise BadInput(f"the catalog refuses this: {first_line(error)}") from error


def _bare(query: Document) -> Document:
    """Items as they are stored, because here they are made whole in a fifth of the time that pgSTAC takes.

    Where only some fields are asked for, pgSTAC must choose them from the whole.
    """
    return query if "fields" in query else {**query, "conf": {"nohydrate": True}}


def _items(found: Document) -> list[Document]:
    items = [(item.pop("pgstac:base_item", None), item) for item in found["features"]]
    return [whole(hydrate(base, item) if base else item) for base, item in items]


def _links(found: Document) -> list[Document]:
    """pgSTAC names the page that follows in an address; here it is only the token of it."""
    return [
        {"rel": "next", "token": link["href"].partition("token=")[2]}
        for link in found["links"]
        if link["rel"] == "next"
    ]


def _json(document: Document) -> str:
    return json.dumps(document, allow_nan=False, ensure_ascii=False)
