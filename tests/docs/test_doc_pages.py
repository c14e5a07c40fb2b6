"""What holds for every page: links resolve, paths exist, nothing of one machine is named, and none is long."""

import re
import tempfile
from urllib.parse import urlsplit

import pytest

from tests.docs.pages import CODE, ROOT, Page, page, pages

LONGEST = 120
LOOKED_UP = {"CHANGELOG.md", "docs/reference/jobs.md"}
"""Nobody reads them from the beginning: they grow with the product."""
HOSTS = {
    "127.0.0.1",
    "example.org",
    "keepachangelog.com",
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "www.rfc-editor.org",
    "www.standardwebhooks.com",
}
"""The addresses that pages may name."""
TYPED = {"make", "curl", "func", "cp", "psql", "split", "for", "export", "coremachine", "until"}
COMMANDS = TYPED | {".venv/bin/python", ".venv/bin/ruff"}
"""What a reader is asked to type."""
SYSTEM = "boot|dev|etc|home|lib|media|mnt|opt|proc|root|run|sbin|srv|sys|tmp|usr|var"
FOLDERS = "core|jobs|services|infrastructure|triggers|tests|benchmarks|deploy|docs"
ALL = pages()


def ids(each: Page) -> str:
    return each.name


@pytest.mark.parametrize("each", ALL, ids=ids)
def test_links_resolve(each: Page) -> None:
    for link in each.links:
        if urlsplit(link).scheme:
            continue
        path, _, anchor = link.partition("#")
        target = Page((each.path.parent / path).resolve()) if path else each
        assert target.path.exists(), link
        assert not anchor or anchor in target.anchors, link


@pytest.mark.parametrize("each", ALL, ids=ids)
def test_a_page_is_one_or_two_screens(each: Page) -> None:
    if each.name not in LOOKED_UP:
        assert len(each.text.splitlines()) <= LONGEST


@pytest.mark.parametrize("each", ALL, ids=ids)
def test_a_page_names_only_known_addresses(each: Page) -> None:
    found = {urlsplit(url).hostname for url in re.findall(r"https?://[^\s)`'\"]+", each.text)}
    assert found <= HOSTS


@pytest.mark.parametrize("each", ALL, ids=ids)
def test_a_page_names_nothing_of_this_machine(each: Page) -> None:
    """No folder of the system, nor the one this checkout is in; routes of the API look like others."""
    assert not re.findall(rf"(?<![\w.:/$-])/(?:{SYSTEM})(?:/\S*|\b(?=[\s`'\"]))", each.text)
    for own in (str(ROOT), tempfile.gettempdir()):
        assert not re.search(rf"(?<!\w){re.escape(own)}(?!\w)", each.text), own


@pytest.mark.parametrize("each", ALL, ids=ids)
def test_files_and_folders_exist(each: Page) -> None:
    made = {block.file for one in ALL for block in one.blocks}
    for code in CODE.findall(each.prose):
        is_path = re.fullmatch(rf"(?:{FOLDERS})/[\w./-]*|[\w./-]+/", code)
        if is_path and code not in made:
            assert (ROOT / code).exists(), code


@pytest.mark.parametrize("each", ALL, ids=ids)
def test_a_reader_types_only_known_commands(each: Page) -> None:
    for block in each.blocks_in("bash"):
        for line in block.code.strip().splitlines():
            first = line.partition("#")[0].split()
            typed = [word for word in first[:1] if not re.match(r"[A-Z]+=", word)]
            assert set(typed) <= COMMANDS, f"{each.name}:{block.line} {line}"


def test_the_map_reaches_every_page() -> None:
    index = page("docs/index.md")
    reached = {(index.path.parent / link).resolve() for link in index.links} | {index.path}
    assert {each.path for each in ALL if each.name.startswith("docs/")} == reached


def test_decisions_are_numbered_without_gaps() -> None:
    decisions = sorted((ROOT / "docs/adr").glob("*.md"))
    assert [int(file.name[:4]) for file in decisions] == list(range(1, len(decisions) + 1))


@pytest.mark.parametrize("each", [p for p in ALL if p.name.startswith("docs/adr/")], ids=ids)
def test_a_decision_has_the_short_form(each: Page) -> None:
    assert re.match(rf"# {each.path.name[:4]} \S", each.text)
    headings = re.findall(r"^## (.+)$", each.text, re.MULTILINE)
    assert headings == ["Context", "Decision", "Consequences", "Alternatives"]


def test_the_changelog_has_the_known_form() -> None:
    text = page("CHANGELOG.md").text
    assert "\n## [Unreleased]\n" in text
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= kinds
