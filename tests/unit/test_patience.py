"""The tests wait long enough: a busy machine answers late, and httpx gives up after five seconds where nothing is said."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ASKING = {
    "Client",
    "AsyncClient",
    "get",
    "post",
    "put",
    "patch",
    "delete",
    "head",
    "request",
    "stream",
}


def impatient(text: str) -> list[int]:
    """The lines that ask by httpx itself and do not say how long they wait. Where there is no network, there is none to wait for."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "httpx"
        and node.func.attr in ASKING
        and not {"timeout", "transport"} & {each.arg for each in node.keywords}
    ]


def test_every_question_says_how_long_it_waits() -> None:
    found = {str(file): impatient(file.read_text()) for file in TESTS.rglob("*.py")}
    assert not {file: lines for file, lines in found.items() if lines}


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("httpx.get(url)", [1]),
        ("with httpx.Client(base_url=url) as client: ...", [1]),
        ("httpx.get(url, timeout=60)", []),
        ("httpx.AsyncClient(transport=transport)", []),
        ("client.get(url)", []),
    ],
)
def test_an_impatient_question_is_caught(code: str, lines: list[int]) -> None:
    assert impatient(code) == lines
