"""Templates: versions never change, what is missing comes with the submission, and uses stay known."""

from functools import partial

import pytest

from core.errors import BadInput, InvalidParameters, TemplateNotFound, UnknownJobType
from core.memory.store import MemoryStore
from core.memory.templates import MemoryTemplateBook
from core.templates import Templates
from infrastructure.templates import PostgresTemplateBook
from tests.store.desk import at_once
from tests.store.sample_jobs import Bulky, Fan, Line

BY = "ada"


@pytest.fixture
def templates(desk) -> Templates:
    if isinstance(desk.store, MemoryStore):
        return Templates(desk.machine, MemoryTemplateBook(desk.store))
    return Templates(desk.machine, PostgresTemplateBook(desk.pool, desk.store))


def test_a_template_is_submitted_by_its_name(desk, templates):
    view, is_new = templates.save("wide", "fan", {"n": 5}, BY, "five of them")
    assert (view.version, view.missing, is_new) == (1, [], True)
    assert view == templates.get("wide")
    job, submission, version = templates.submit("wide", {}, BY)
    assert (job, submission.is_new, version) == (Fan(n=5), True, 1)
    assert desk.runs(Fan(n=5).fingerprint) == [(1, "queued")]


def test_overrides_take_the_place_of_the_templates_own(templates):
    templates.save("wide", "fan", {"n": 5, "label": "a"}, BY)
    job, _, _ = templates.submit("wide", {"label": "b"}, BY)
    assert job == Fan(n=5, label="b")


def test_every_change_is_a_version_and_old_ones_can_be_submitted(templates):
    templates.save("wide", "fan", {"n": 1}, BY)
    second, _ = templates.save("wide", "fan", {"n": 2}, "grace")
    again, is_new = templates.save("wide", "fan", {"n": 2}, BY)
    assert (second.version, second.created_by) == (2, "grace")
    assert (again, is_new) == (second, False)
    assert templates.submit("wide", {}, BY)[0] == Fan(n=2)
    assert templates.submit("wide", {}, BY, version=1)[0] == Fan(n=1)
    back, is_new = templates.save("wide", "fan", {"n": 1}, BY)
    assert (back.version, is_new) == (3, True)
    assert [view.version for view in templates.versions("wide").templates] == [3, 2, 1]


def test_what_the_job_requires_may_come_with_the_submission(templates):
    view, _ = templates.save("bulk", "bulky", {}, BY)
    assert view.missing == ["text"]
    assert templates.submit("bulk", {"text": "x"}, BY)[0] == Bulky(text="x")
    with pytest.raises(InvalidParameters, match="text"):
        templates.submit("bulk", {}, BY)


@pytest.mark.parametrize("parameters", [{"n": "five"}, {"m": 5}])
def test_what_cannot_fit_is_refused_when_it_is_saved(templates, parameters):
    with pytest.raises(InvalidParameters):
        templates.save("wide", "fan", parameters, BY)
    with pytest.raises(TemplateNotFound):
        templates.get("wide")


def test_only_what_is_wrong_is_named_not_what_is_missing(templates):
    with pytest.raises(InvalidParameters) as refused:
        templates.save("bulk", "bulky", {"txet": "x"}, BY)
    assert [error["loc"] for error in refused.value.errors] == [("txet",)]


def test_names_and_job_types_are_checked(templates):
    with pytest.raises(BadInput, match="no name of a template"):
        templates.save("Not So", "fan", {}, BY)
    with pytest.raises(UnknownJobType):
        templates.save("wide", "fun", {}, BY)


def test_what_was_submitted_stays_known_after_the_template_is_deleted(templates):
    templates.save("wide", "fan", {"n": 5}, BY)
    templates.submit("wide", {"label": "a"}, BY)
    templates.submit("wide", {"label": "a"}, "grace")
    templates.delete("wide", BY)
    for act in (templates.get, templates.versions, partial(templates.delete, by=BY)):
        with pytest.raises(TemplateNotFound, match="no template 'wide'"):
            act("wide")
    with pytest.raises(TemplateNotFound):
        templates.submit("wide", {}, BY)
    last, first = templates.uses("wide").submissions
    assert (first.overrides, first.is_new, first.by) == ({"label": "a"}, True, BY)
    assert (last.job_id, last.is_new, last.by) == (first.job_id, False, "grace")
    assert first.job_id == Fan(n=5, label="a").fingerprint


def test_numbers_go_on_where_a_deleted_template_ended(templates):
    templates.save("wide", "fan", {"n": 1}, BY)
    templates.delete("wide", BY)
    view, is_new = templates.save("wide", "fan", {"n": 1}, BY)
    assert (view.version, is_new) == (2, True)
    with pytest.raises(TemplateNotFound, match="no version 1 of 'wide'"):
        templates.submit("wide", {}, BY, version=1)
    assert [view.version for view in templates.versions("wide").templates] == [2]


def test_templates_come_in_pages_by_name(templates):
    for name in ("b", "a", "c.x", "c"):
        templates.save(name, "line", {}, BY)
        templates.save(name, "line", {"label": "x"}, BY)
    first = templates.page(limit=3)
    second = templates.page(str(first.next), limit=3)
    shown = [(view.name, view.version) for page in (first, second) for view in page.templates]
    assert shown == [("a", 2), ("b", 2), ("c", 2), ("c.x", 2)]
    assert second.next is None


def test_uses_and_versions_come_in_pages(templates):
    for n in range(3):
        templates.save("wide", "fan", {"n": n}, BY)
        templates.submit("wide", {}, BY)
    page = templates.versions("wide", limit=2)
    assert (page.next, [v.version for v in templates.versions("wide", 2).templates]) == (2, [1])
    used = templates.uses("wide", limit=2)
    assert [use.version for use in used.submissions] == [3, 2]
    assert [use.version for use in templates.uses("wide", used.next).submissions] == [1]


def test_people_who_save_at_once_get_a_version_each(templates):
    acts = [partial(templates.save, "wide", "fan", {"n": n}, BY) for n in range(8)]
    saved = at_once(*acts)
    assert sorted(view.version for view, _ in saved) == list(range(1, 9))


def test_a_submission_and_its_note_are_one(desk, templates):
    """Dying between the job and the note leaves neither."""
    templates.save("line", "line", {}, BY)

    def die_behind_both() -> None:
        with templates.book.using("line", None) as turn:
            assert turn is not None
            desk.machine.over(turn.store).submit(Line())
            turn.record({}, "x", 1, True, BY)
            raise RuntimeError("the power is gone")

    with pytest.raises(RuntimeError):
        die_behind_both()
    assert desk.runs(Line().fingerprint) == []
    assert templates.uses("line").submissions == []
