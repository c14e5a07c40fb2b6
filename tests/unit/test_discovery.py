"""Discovery: a job is installed by adding a file, and a broken file costs only itself."""

import sys
from types import ModuleType

import pytest

from core.registry import discover


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Writes modules into a package of jobs, and imports it."""
    (tmp_path / "found").mkdir()
    (tmp_path / "found" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)

    def write(**modules: str) -> ModuleType:
        for name, text in modules.items():
            (tmp_path / "found" / f"{name}.py").write_text(text)
        return __import__("found")

    yield write
    for name in [n for n in sys.modules if n == "found" or n.startswith("found.")]:
        del sys.modules[name]


JOB = """
from core import Context, JobBase, single

class {name}(JobBase):
    @single
    def act(self, ctx: Context) -> int:
        return 1
"""


def test_a_job_is_installed_by_adding_a_file(folder):
    registry = discover(
        folder(one=JOB.format(name="One"), two=JOB.format(name="Two"), helpers="X = 1")
    )
    assert sorted(registry.jobs) == ["one", "two"]
    assert registry.broken == {}
    assert "one" in registry


def test_a_module_that_cannot_be_imported_is_named_and_the_others_serve(folder):
    """R45, R44: a missing package, a mistake in the wiring."""
    wrong = JOB.format(name="Wrong").replace("-> int", "")
    registry = discover(
        folder(fine=JOB.format(name="Fine"), lost="import nowhere_to_be_found", wrong=wrong)
    )
    assert sorted(registry.jobs) == ["fine"]
    assert sorted(registry.broken) == ["found.lost", "found.wrong"]
    assert "nowhere_to_be_found" in registry.broken["found.lost"]
    assert registry.broken["found.wrong"].startswith("JobDefinitionError: Wrong.act")


def test_two_jobs_of_one_name_do_not_hide_each_other(folder):
    """R45: the second one is refused, aloud."""
    registry = discover(folder(a=JOB.format(name="Same"), b=JOB.format(name="Same")))
    assert registry.broken == {"found.b": "JobDefinitionError: two jobs are called 'same'"}


def test_a_job_that_is_imported_by_another_module_is_installed_once(folder):
    registry = discover(folder(a=JOB.format(name="One"), b="from found.a import One"))
    assert (sorted(registry.jobs), registry.broken) == (["one"], {})


def test_a_job_answers_to_the_names_it_had(folder):
    renamed = JOB.format(name="One").replace("(JobBase)", '(JobBase, also=("was_one",))')
    registry = discover(folder(one=renamed))
    assert registry["was_one"] is registry["one"]
    assert "was_one" in registry
    assert sorted(registry.jobs) == ["one"]


def test_a_name_that_two_jobs_had_is_refused(folder):
    one = JOB.format(name="One").replace("(JobBase)", '(JobBase, also=("two",))')
    registry = discover(folder(one=one, two=JOB.format(name="Two")))
    assert sorted(registry.jobs) == ["one"]
    assert "two jobs are called 'two'" in registry.broken["found.two"]
