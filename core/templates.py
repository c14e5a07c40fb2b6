"""Templates: named sets of parameters, whose versions never change, submitted by name with overrides."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from core.errors import BadInput, CoreMachineError, InvalidParameters, TemplateNotFound
from core.insights.views import Moment, View
from core.job import JobBase
from core.machine import CoreMachine
from core.names import is_name
from core.ports import Store, Submission


@dataclass(frozen=True, slots=True)
class NewTemplate:
    """A template as somebody wants it to be from now on."""

    name: str
    job_type: str
    parameters: Mapping[str, Any]
    description: str
    by: str


@dataclass(frozen=True, slots=True)
class TemplateRow:
    """One version of a template."""

    name: str
    version: int
    job_type: str
    parameters: Mapping[str, Any]
    description: str
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class UseRow:
    """A submission that was made of a template."""

    number: int
    version: int
    overrides: Mapping[str, Any]
    job_id: str
    run: int
    is_new: bool
    by: str
    at: datetime


class TemplateTurn(Protocol):
    """A transaction in which a template is submitted: the job and the note of it, or neither."""

    @property
    def row(self) -> TemplateRow: ...
    @property
    def store(self) -> Store: ...
    def record(
        self, overrides: Mapping[str, Any], job_id: str, run: int, is_new: bool, by: str
    ) -> None: ...


class TemplateBook(Protocol):
    """Where templates are kept. Without a version, the latest is meant."""

    def save(self, new: NewTemplate) -> tuple[TemplateRow, bool]:
        """The version that says this, and whether it is new. Saving what the latest one says changes nothing."""
        ...

    def find(self, name: str, version: int | None = None) -> TemplateRow | None: ...
    def page(self, after: str, limit: int) -> list[TemplateRow]:
        """The latest version of each, by name."""
        ...

    def versions(self, name: str, before: int | None, limit: int) -> list[TemplateRow]: ...
    def uses(self, name: str, before: int | None, limit: int) -> list[UseRow]:
        """The last first; also of a template that was deleted."""
        ...

    def delete(self, name: str, by: str) -> bool: ...
    def using(
        self, name: str, version: int | None
    ) -> AbstractContextManager[TemplateTurn | None]: ...


class TemplateView(View):
    """A version of a template."""

    name: str
    version: int
    job_type: str
    parameters: dict[str, Any]
    missing: list[str]
    """Parameters that a submission must add."""
    description: str
    created_at: Moment
    created_by: str


class UseView(View):
    """A submission that was made of a template."""

    version: int
    overrides: dict[str, Any]
    job_id: str
    run: int
    is_new: bool
    by: str
    at: Moment


class TemplatePage(View):
    """Templates by name, or versions of one, the latest first."""

    templates: list[TemplateView]
    next: str | int | None


class UsePage(View):
    """Submissions of a template, the last first."""

    submissions: list[UseView]
    next: int | None


class Templates:
    """What people do with templates."""

    def __init__(self, machine: CoreMachine, book: TemplateBook) -> None:
        self.machine = machine
        self.book = book

    def save(
        self,
        name: str,
        job_type: str,
        parameters: Mapping[str, Any],
        by: str,
        description: str = "",
    ) -> tuple[TemplateView, bool]:
        """The version that says this, and whether it is new. What the job requires may be left to overrides."""
        if not is_name(name):
            raise BadInput(
                f"{name!r} is no name of a template: lower case letters, digits and . _ -"
            )
        self._missing(job_type, parameters)
        own = self.machine.registry[job_type].job_type
        row, is_new = self.book.save(NewTemplate(name, own, parameters, description, by))
        return self._view(row), is_new

    def get(self, name: str, version: int | None = None) -> TemplateView:
        row = self.book.find(name, version) if is_name(name) else None
        if row is None:
            raise _not_found(name, version)
        return self._view(row)

    def page(self, after: str | None = None, limit: int = 50) -> TemplatePage:
        found = self.book.page(after or "", limit + 1)
        page = [self._view(row) for row in found[:limit]]
        return TemplatePage(templates=page, next=page[-1].name if len(found) > limit else None)

    def versions(self, name: str, before: int | None = None, limit: int = 50) -> TemplatePage:
        found = self.book.versions(name, before, limit + 1) if is_name(name) else []
        if not found:
            self.get(name)
        page = [self._view(row) for row in found[:limit]]
        return TemplatePage(templates=page, next=page[-1].version if len(found) > limit else None)

    def uses(self, name: str, before: int | None = None, limit: int = 50) -> UsePage:
        found = self.book.uses(name, before, limit + 1) if is_name(name) else []
        if not found:
            self.get(name)
        page = found[:limit]
        return UsePage(
            submissions=[_use_view(row) for row in page],
            next=page[-1].number if len(found) > limit else None,
        )

    def delete(self, name: str, by: str) -> None:
        """It can no longer be submitted; what was submitted stays known."""
        if not (is_name(name) and self.book.delete(name, by)):
            raise _not_found(name, None)

    def submit(
        self,
        name: str,
        overrides: Mapping[str, Any],
        by: str,
        version: int | None = None,
        *,
        force: bool = False,
    ) -> tuple[JobBase, Submission, int]:
        """Submit the template with these parameters in place of its own: the job, what came of it, the version."""
        if not is_name(name):
            raise _not_found(name, version)
        with self.book.using(name, version) as turn:
            if turn is None:
                raise _not_found(name, version)
            row = turn.row
            job = self.machine.parse(row.job_type, {**row.parameters, **overrides})
            submission = self.machine.over(turn.store).submit(job, force=force, by=by)
            run = submission.run
            turn.record(overrides, run.job_id, run.number, submission.is_new, by)
        return job, submission, row.version

    def _missing(self, job_type: str, parameters: Mapping[str, Any]) -> list[str]:
        """The parameters that the job requires besides; whatever else is wrong is refused."""
        try:
            self.machine.parse(job_type, parameters)
        except InvalidParameters as error:
            wrong = [each for each in error.errors if not _is_missing(each)]
            if wrong:
                raise InvalidParameters(str(error), wrong) from None
            return [str(_place(each)[0]) for each in error.errors]
        return []

    def _view(self, row: TemplateRow) -> TemplateView:
        return TemplateView(
            name=row.name,
            version=row.version,
            job_type=row.job_type,
            parameters=dict(row.parameters),
            missing=self._needed(row),
            description=row.description,
            created_at=row.created_at,
            created_by=row.created_by,
        )

    def _needed(self, row: TemplateRow) -> list[str]:
        if row.job_type not in self.machine.registry:
            return []
        fields = self.machine.registry[row.job_type].model_fields
        return [n for n, field in fields.items() if field.is_required() and n not in row.parameters]


def _place(error: Mapping[str, object]) -> tuple[object, ...]:
    place = error["loc"]
    return place if isinstance(place, tuple) else ()  # pyright: ignore[reportUnknownVariableType]


def _is_missing(error: Mapping[str, object]) -> bool:
    return error["type"] == "missing" and len(_place(error)) == 1


def _use_view(row: UseRow) -> UseView:
    return UseView(
        version=row.version,
        overrides=dict(row.overrides),
        job_id=row.job_id,
        run=row.run,
        is_new=row.is_new,
        by=row.by,
        at=row.at,
    )


def _not_found(name: str, version: int | None) -> CoreMachineError:
    what = f"no template {name!r}" if version is None else f"no version {version} of {name!r}"
    return TemplateNotFound(f"There is {what}. GET /api/templates lists those there are.")
