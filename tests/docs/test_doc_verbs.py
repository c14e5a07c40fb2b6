"""Every verb stands on a page in an example that runs: of the command, and of the client."""

import re
from collections.abc import Iterator
from inspect import getmembers, isfunction

import pytest

from coremachine_client import Client
from tests.clients.test_cli import COMMANDS
from tests.docs.pages import pages

RUN = [block for each in pages() for block in each.blocks if block.needs]
TYPED = "".join(block.code for block in RUN if block.language == "bash")
PYTHON = "".join(block.code for block in RUN if block.language == "python")
with Client() as unused:
    GROUPS = {name: group for name, group in vars(unused).items() if name != "transport"}


def verbs() -> Iterator[str]:
    """`client.submit`, `client.keys.create`, and `client.keys` where it is a list."""
    for name, _ in getmembers(Client, isfunction):
        if not name.startswith("_"):
            yield f"client.{name}"
    for group, value in GROUPS.items():
        for name, _ in getmembers(type(value), isfunction):
            if not name.startswith("_"):
                yield f"client.{group}.{name}"


def called(code: str) -> set[str]:
    """What Python calls on the client, also by a shorter name: `keys = client.keys`."""
    short = dict(re.findall(r"^(\w+) = client\.(\w+)$", code, re.MULTILINE))
    found = set(re.findall(r"\bclient\.\w+(?:\.\w+)?", code))
    for name, group in short.items():
        found |= {f"client.{group}.{verb}" for verb in re.findall(rf"\b{name}\.(\w+)\(", code)}
    return found


@pytest.mark.parametrize("words", [["submit"], *COMMANDS], ids=" ".join)
def test_every_command_is_typed_on_a_page(words: list[str]) -> None:
    assert re.search(rf"\bcoremachine {' '.join(words)}\b", TYPED)


def test_every_verb_of_the_client_is_called_on_a_page() -> None:
    assert {verb for verb in verbs() if verb not in called(PYTHON)} == set()
