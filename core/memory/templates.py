"""Templates in memory, in the books of the memory store."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from core.memory.store import MemoryStore
from core.templates import NewTemplate, TemplateRow, TemplateTurn, UseRow


class MemoryTemplateBook:
    """core.templates.TemplateBook."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.books = store.books
        self.rows: dict[tuple[str, int], TemplateRow] = {}
        self.deleted: dict[tuple[str, int], str] = {}
        self.used: dict[int, tuple[str, UseRow]] = {}

    def save(self, new: NewTemplate) -> tuple[TemplateRow, bool]:
        with self.books.transaction():
            latest = self.find(new.name)
            if latest is not None and _same(latest, new):
                return latest, False
            version = max((v for name, v in self.rows if name == new.name), default=0) + 1
            row = TemplateRow(
                new.name,
                version,
                new.job_type,
                dict(new.parameters),
                new.description,
                self.books.now(),
                new.by,
            )
            self.books.put(self.rows, (new.name, version), row)
            return row, True

    def find(self, name: str, version: int | None = None) -> TemplateRow | None:
        found = list(self.versions(name, None, len(self.rows)))
        return next((row for row in found if version in (None, row.version)), None)

    def page(self, after: str, limit: int) -> list[TemplateRow]:
        with self.books.changed:
            names = sorted({name for name, _ in self.rows.keys() - self.deleted.keys()})
            found = [self.find(name) for name in names if name > after]
            return [row for row in found if row is not None][:limit]

    def versions(self, name: str, before: int | None, limit: int) -> list[TemplateRow]:
        with self.books.changed:
            keys = [key for key in self.rows if key[0] == name and key not in self.deleted]
            older = [key for key in keys if before is None or key[1] < before]
            return [self.rows[key] for key in sorted(older, reverse=True)][:limit]

    def uses(self, name: str, before: int | None, limit: int) -> list[UseRow]:
        with self.books.changed:
            found = [row for used, row in self.used.values() if used == name]
            older = [row for row in found if before is None or row.number < before]
            return sorted(older, key=lambda row: -row.number)[:limit]

    def delete(self, name: str, by: str) -> bool:
        with self.books.transaction():
            found = self.versions(name, None, len(self.rows))
            for row in found:
                self.books.put(self.deleted, (name, row.version), by)
            return bool(found)

    @contextmanager
    def using(self, name: str, version: int | None) -> Generator[TemplateTurn | None]:
        with self.books.transaction():
            row = self.find(name, version)
            yield None if row is None else MemoryTemplateTurn(self, row)


class MemoryTemplateTurn:
    """core.templates.TemplateTurn."""

    def __init__(self, book: MemoryTemplateBook, row: TemplateRow) -> None:
        self.book = book
        self.row = row
        self.store = book.store

    def record(
        self, overrides: Mapping[str, Any], job_id: str, run: int, is_new: bool, by: str
    ) -> None:
        books = self.book.books
        number = books.next_number()
        use = UseRow(
            number, self.row.version, dict(overrides), job_id, run, is_new, by, books.now()
        )
        books.put(self.book.used, number, (self.row.name, use))


def _same(row: TemplateRow, new: NewTemplate) -> bool:
    was = row.job_type, row.parameters, row.description
    return was == (new.job_type, new.parameters, new.description)
